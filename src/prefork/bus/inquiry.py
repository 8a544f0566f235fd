"""A request to many: who was asked, who has answered, and whether there is anybody to wait for."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Any

import msgspec

from prefork.errors import RemoteError
from prefork.wire import post

_NUMBER = Struct("!Q")


@dataclass(frozen=True, slots=True)
class Replies:
    """What `request_all` returns: replies by the name of who gave them, and who gave none.

    Missing are those that did not answer in time, died, or whose code raised an exception.
    """

    replies: dict[str, Any]
    missing: list[str]


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """To the request *number*, by *name*. *value* is encoded; None: its code raised."""

    number: int
    name: str
    value: bytes | None


_answers = msgspec.msgpack.Decoder(Answer)


def question(number: int, value: bytes) -> bytes:
    return _NUMBER.pack(number) + value


def read_question(payload: bytes) -> tuple[int, bytes]:
    """Its number, and the encoded value. Raises RemoteError."""
    if len(payload) < _NUMBER.size:
        raise RemoteError("not a request")
    return _NUMBER.unpack_from(payload)[0], payload[_NUMBER.size :]


def answer(number: int, name: str, value: bytes | None) -> bytes:
    return msgspec.msgpack.encode(Answer(number, name, value))


def read_answer(payload: bytes) -> Answer:
    """Raises RemoteError where it is none."""
    try:
        return _answers.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RemoteError(f"not an answer: {error}") from None


class Inquiry:
    """One request under way. *done* has a result when nobody is left to wait for."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked: set[str] | None = None  # until it is known
        self._silent: set[str] = set()  # of whom nothing will come
        self._replies: dict[str, Any] = {}

    @property
    def is_asked(self) -> bool:
        """Whether it is known who was asked."""
        return self._asked is not None

    def ask(self, names: Iterable[str]) -> None:
        """Say who was asked."""
        self._asked = set(names)
        self._check()

    def reply(self, answer: Answer) -> None:
        """Heed an answer. Raises RemoteError where its value is none."""
        if answer.value is None:
            self._silent.add(answer.name)
        else:
            self._replies[answer.name] = post.decode(answer.value)
        self._check()

    def gone(self, name: str) -> None:
        """Wait for it no longer."""
        self._silent.add(name)
        self._check()

    def result(self) -> Replies:
        """What is known by now."""
        return Replies(dict(self._replies), sorted((self._asked or set()) - self._replies.keys()))

    def _check(self) -> None:
        is_over = self._asked is not None and self._asked <= self._silent | self._replies.keys()
        if is_over and not self.done.done():
            self.done.set_result(None)
