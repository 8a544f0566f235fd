"""What processes of one fleet say to each other, as typed values."""

import msgspec

from prefork.errors import RemoteError

POST = "post"  # kinds of lines: to the primary, for what users' code says
HUB = "hub"  # likewise: to the process through which workers publish
TASKS_OF_ONE = 2**32  # numbers that one worker gives to tasks
POOL = "pool"  # likewise: one to each pool process of the worker's generation, as it becomes ready


def first_task(worker: int) -> int:
    """Say from which number on the tasks of this worker are: of 64 bits, none is another's."""
    return worker % TASKS_OF_ONE * TASKS_OF_ONE + 1


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


class Online(Message, frozen=True):
    """A worker: I run, and am about to load the application, or to run the user's script."""

    pid: int


class Want(Message, frozen=True):
    """A worker: lay me a line, which comes with `Introduce`; of the kind POOL come `Tickets`, and a
    `PoolLine` for each process. *kind*: POST, HUB or POOL."""

    kind: str


class Listen(Message, frozen=True):
    """A worker that runs a script: open this address, unless it is open, and let me serve it.

    *ticket*: by which the answer names this request. *path*: of a Unix socket, absolute; without
    one it is *port* and *host*: a number, for names are asked for by who wants them, or localhost.
    *index*: which of this worker's listeners on port 0 it is, from 0: those of all workers with the
    same number share a port. *mode*: of the socket's file. *is_again*: it is the server that
    listened there before, and was full; nobody need be told.
    """

    ticket: int
    host: str = ""
    port: int = 0
    path: str = ""
    index: int = 0
    backlog: int = 2048
    ipv6_only: bool = False
    mode: int | None = None
    is_again: bool = False


class Unlisten(Message, frozen=True):
    """A worker that runs a script: give me no more of what comes to this address."""

    address: int


class Crowded(Message, frozen=True):
    """A worker: tasks of mine wait, as no pool process is free."""


class Condemn(Message, frozen=True):
    """A worker: kill the pool process *id*, if it runs this task of mine, which can't be made to
    end."""

    id: int
    task: int
    reason: str


class Worn(Message, frozen=True):
    """A pool process: I have done or become as much as I may, and am free."""

    reason: str


class Idle(Message, frozen=True):
    """A pool process: I have had nothing to do for `pool_idle_timeout`."""


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


class SpawnPool(Message, frozen=True):
    """To a template: fork a pool process. With it come its channel, the writing end of its
    generation's tickets, and the memory of its `Timings`."""

    id: int
    slot: int
    line: int  # of the board


class Tickets(Message, frozen=True):
    """To a worker that wanted lines of the kind POOL: those to the processes that are ready have
    come. With this comes the reading end of the pipe into which idle ones write that they are."""

    @property
    def descriptors(self) -> int:
        """How many come with it."""
        return 1


class PoolLine(Message, frozen=True):
    """To a worker: its end of a line to a pool process comes with this; then, *has_handle*, its
    pidfd. *line*: the process's, of the board."""

    id: int
    slot: int
    pid: int
    line: int
    has_handle: bool = False

    @property
    def descriptors(self) -> int:
        """How many come with it."""
        return 2 if self.has_handle else 1


class WorkerLine(Message, frozen=True):
    """To a pool process: its end of a line to a worker comes with this. *line*: the worker's, of
    the board."""

    id: int
    line: int


class Welcome(Message, frozen=True):
    """To the guest of a script's pool, which is up: who you are. With it comes the board; *line* is
    yours. *control*: the path of our control socket."""

    id: int
    line: int
    control: str


class PoolExit(Message, frozen=True):
    """To a worker: the pool process *id* has exited. *task*: the number of the one that it ran,
    0 for none; *reason*: why it was made to end, where its status alone doesn't tell."""

    id: int
    status: int
    task: int
    reason: str = ""


class Lead(Message, frozen=True):
    """You are the leader, until you are told to stop."""


class Introduce(Message, frozen=True):
    """Your end of a line that you wanted comes with this: to the primary, or to the hub."""

    kind: str


class Attach(Message, frozen=True):
    """To the hub: its end of a line to a worker comes with this. *name*: the worker's on the bus,
    as `Estate.member` has it."""

    name: str


class Listening(Message, frozen=True):
    """The answer to `Listen`. *address*: its number, which comes with each connection.

    The first of these may come before this is read: that they are two ways keeps no order.
    *bound*: as `log` writes it. *own*: how many listening sockets come with this, for a worker that
    accepts itself; 0 where connections are handed over.
    """

    ticket: int
    address: int
    family: int
    bound: str
    own: int = 0


class ListenFailed(Message, frozen=True):
    """The answer to `Listen`: the system refused, with this error number; or we did. *reason*: in
    words."""

    ticket: int
    errno: int
    reason: str = ""


ToPrimary = (
    Forked
    | Ready
    | Proven
    | Declined
    | Failed
    | Leaving
    | LeftRotation
    | Nudge
    | Online
    | Want
    | Listen
    | Unlisten
    | Crowded
    | Condemn
    | Worn
    | Idle
)
FromPrimary = (
    Stop
    | Admit
    | SpawnWorker
    | SpawnPool
    | Lead
    | Introduce
    | Attach
    | Listening
    | ListenFailed
    | Tickets
    | PoolLine
    | WorkerLine
    | PoolExit
    | Welcome
)
ForHost = Nudge | Online | Want | Listen | Unlisten | Condemn  # of which the core hears nothing

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
