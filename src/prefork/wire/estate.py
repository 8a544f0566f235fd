"""What a child process is born with: the objects that it inherits by fork."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from prefork.settings.schema import Settings
from prefork.wire.board import Board
from prefork.wire.inquiry import Respondent
from prefork.wire.outlet import Desk, Origin


@dataclass(frozen=True, slots=True)
class Entries:
    """Where children begin, as "module:function": named here, imported only there."""

    template: str
    worker: str
    watcher: str
    capture: str
    errand: str
    hub: str = "prefork.bus.hub:main"
    script: str = "prefork.worker.launch:main"
    pool: str = "prefork.worker.pooled:main"


@dataclass(frozen=True, slots=True)
class Main:
    """The main module of a script, as its pool imports it: by *name*, as with -m, or by *path*.

    Neither: it can't be imported. *search_path* and *argv*: what the script has of `sys`.
    """

    name: str = ""
    path: str = ""
    search_path: tuple[str, ...] = ()
    argv: tuple[str, ...] = ()

    @property
    def is_importable(self) -> bool:
        return bool(self.name or self.path)


@dataclass(frozen=True, slots=True)
class Estate:
    """What all children of one primary share."""

    settings: Settings
    workers: int  # how many are wanted, with "max" resolved
    families: tuple[int, ...]  # of the addresses that are listened on, by number
    board: Board
    primary: int  # its pid
    entries: Entries
    name: str = ""  # of the instance
    bind: tuple[str, ...] = ()  # addresses, with the ports that it got
    pool: int = 0  # processes that run tasks, at most, of each generation
    output: Desk | None = None  # None: who writes to standard output does so itself
    main: Main | None = None  # of the script whose pool the instance is; None: it serves
    control: str = ""  # the path of the instance's control socket

    @property
    def kept(self) -> list[int]:
        """The descriptors that every child keeps."""
        return [] if self.output is None else self.output.kept

    def member(self, id: int) -> str:
        """What the worker *id* is called on the bus."""
        return f"{self.name}/{id}"

    @property
    def stdout(self) -> int:
        """The descriptor of what was standard output when prefork was started."""
        return 1 if self.output is None else self.output.stdout


@dataclass(frozen=True, slots=True)
class Launch:
    """How a script's worker is started. *env* is added to the environment; *cwd*: None is ours.

    Raises TypeError or ValueError for what no program can be given: who asks for it is to hear of
    it, and the child that couldn't start would be too late.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None

    def __post_init__(self) -> None:
        for name, value in self.env.items():
            _require_text(f"the variable {name!r}", name, value)
            if not name or "=" in name:
                raise ValueError(f"{name!r} is no name of a variable")
        for each in self.argv:
            _require_text(f"the argument {each!r}", each)
        if self.cwd is not None:
            _require_text(f"the directory {self.cwd!r}", self.cwd)


def _require_text(what: str, *texts: object) -> None:
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"{what} must be a str, not {type(text).__name__}")
        try:
            is_fit = b"\0" not in os.fsencode(text)
        except UnicodeEncodeError:
            is_fit = False
        if not is_fit:
            raise ValueError(f"{what} has characters that no program can be given")


@dataclass(frozen=True, slots=True)
class TemplateBirth:
    estate: Estate
    id: int
    generation: int
    loaded: bool  # it imports the application before it forks
    line: int  # of the board
    channel: socket.socket


@dataclass(frozen=True, slots=True)
class WorkerBirth:
    estate: Estate
    id: int
    slot: int
    generation: int
    line: int
    channel: socket.socket
    handover: socket.socket  # the receiving end
    listeners: tuple[socket.socket, ...]  # those that it accepts from, once it is admitted
    inquiry: Respondent  # by which it is asked what it is at
    launch: Launch | None = None  # the program that it is to become; None: it serves as it is


@dataclass(frozen=True, slots=True)
class AideBirth:
    """Of a process beside the fleet; *moment*: which hook it is to run, if that is its task."""

    estate: Estate
    moment: str = ""
    pipes: Mapping[int, Origin] | None = None  # for the one that reads what others print


@dataclass(frozen=True, slots=True)
class HubBirth:
    """Of the process through which workers publish; the lines to them come by `Attach`."""

    estate: Estate
    id: int
    channel: socket.socket


@dataclass(frozen=True, slots=True)
class PoolBirth:
    """Of a process that runs tasks; the lines to workers come by `WorkerLine`."""

    estate: Estate
    id: int
    slot: int
    generation: int
    line: int
    channel: socket.socket
    tickets: int  # descriptor: into which it writes that it is idle
    timings: int  # descriptor: of the memory of its `Timings`


Birth = TemplateBirth | WorkerBirth | AideBirth | HubBirth | PoolBirth


def inherited(birth: Birth) -> list[int]:
    """The descriptors that a child keeps, beside the standard ones."""
    desk = birth.estate.output
    match birth:
        case TemplateBirth() | HubBirth():
            own = [birth.channel]
        case PoolBirth():
            kept = birth.estate.kept
            return [birth.channel.fileno(), birth.tickets, birth.timings, *kept]
        case WorkerBirth():
            own = [birth.channel, birth.handover, *birth.listeners]
            board = [] if birth.launch is None else [birth.estate.board.fileno()]
            pipes = [*birth.inquiry.descriptors, *board]
            return [each.fileno() for each in own] + pipes + birth.estate.kept
        case AideBirth():
            if desk is None or birth.pipes is None:
                return birth.estate.kept
            return [desk.tagging.receiving.fileno(), *birth.pipes, *birth.estate.kept]
    return [each.fileno() for each in own] + birth.estate.kept
