"""Who responds on a channel, as a broker's members tell one another: there is no hub that knows."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from prefork.errors import RemoteError

BEAT = 5.0  # seconds from one sign of life to the next
LONGEST_SILENCE = 3 * BEAT  # seconds after which a name is forgotten
MOST_NAMES = 1024  # on one channel


class Word(StrEnum):
    HERE = "here"  # I am, and these are, as I have heard
    CALL = "call"  # say who is here
    GONE = "gone"  # these are no more


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """What is told on the channel beside the one that it is about. *names*: with seconds ago."""

    word: Word
    names: dict[str, float]


_notices = msgspec.msgpack.Decoder(Notice)


def encode(word: Word, names: Mapping[str, float]) -> bytes:
    return msgspec.msgpack.encode(Notice(word, dict(names)))


def decode(payload: bytes) -> Notice:
    """Raises RemoteError where it is none."""
    try:
        return _notices.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RemoteError(f"not a notice of presence: {error}") from None


class Roster:
    """The names on one channel, and when each was heard of. *now* is monotonic, in seconds."""

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}  # by name

    def hear(self, names: Mapping[str, float], now: float) -> None:
        """Heed who was here, and how many seconds ago."""
        for name, ago in names.items():
            at = now - max(0.0, ago)
            if name in self._heard or len(self._heard) < MOST_NAMES:
                self._heard[name] = max(at, self._heard.get(name, at))

    def forget(self, names: Iterable[str]) -> None:
        for name in names:
            self._heard.pop(name, None)

    def known(self, now: float) -> dict[str, float]:
        """Who may be there, with how many seconds ago it was heard of."""
        self.forget([name for name, at in self._heard.items() if now - at > LONGEST_SILENCE])
        return {name: now - at for name, at in self._heard.items()}
