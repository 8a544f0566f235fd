"""What processes of one fleet say to each other, as typed values."""

import msgspec

from prefork.errors import RemoteError


class Message(msgspec.Struct, frozen=True, tag=True):
    """Base of all messages; the class's name travels with it."""


# -- to the primary ----------------------------------------------------------


class Forked(Message, frozen=True):
    """The worker's intermediate parent: it has *pid*, and is the primary's as soon as I exit."""

    id: int
    pid: int


class Ready(Message, frozen=True):
    """I have loaded, or I serve. It may overtake Forked, so it introduces its sender."""

    pid: int
    interface: str = ""


class Proven(Message, frozen=True):
    """A worker: my event loop has turned for `min_uptime` since I was ready."""


class Declined(Message, frozen=True):
    """A template: the import left these behind, which a fork would break."""

    reasons: list[str]


class Failed(Message, frozen=True):
    """The application failed; *stage* is a `core.facts.Stage`, *detail* its own traceback."""

    stage: str
    reason: str
    detail: str = ""


class Leaving(Message, frozen=True):
    """Somebody other than the primary told me to go; I serve until you tell me to stop."""


class LeftRotation(Message, frozen=True):
    """I was told to stop, and have all the connections that I will ever have."""


class Nudge(Message, frozen=True):
    """I have taken connections, and you were waiting for room."""


# -- from the primary --------------------------------------------------------


class Stop(Message, frozen=True):
    """Finish within *grace* seconds. A later one replaces an earlier one.

    *hands_back*: give back the connections on which you have nothing to finish.
    """

    grace: float
    hands_back: bool = False


class Admit(Message, frozen=True):
    """You are in rotation; accept, where you accept connections yourself."""


class SpawnWorker(Message, frozen=True):
    """To a template. With it come the worker's hand-over, its channel, both its ends of the
    inquiry, and its own listeners."""

    id: int
    slot: int
    line: int  # of the board
    listeners: list[int]  # the addresses, by number, that it accepts from; a descriptor for each


ToPrimary = Forked | Ready | Proven | Declined | Failed | Leaving | LeftRotation | Nudge
FromPrimary = Stop | Admit | SpawnWorker

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[ToPrimary | FromPrimary] = msgspec.msgpack.Decoder(
    ToPrimary | FromPrimary
)


def encode(message: Message) -> bytes:
    return _encoder.encode(message)


def decode(payload: bytes) -> ToPrimary | FromPrimary:
    """Read one message. Raises RemoteError where it is none."""
    try:
        return _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteError(f"not a message: {error}") from None
