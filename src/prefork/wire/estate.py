"""What a child process is born with: the objects that it inherits by fork."""

import os
import socket
from dataclasses import dataclass

from prefork.settings.schema import Settings
from prefork.wire.board import Board


@dataclass(frozen=True, slots=True)
class Entries:
    """Where children begin, as "module:function": named here, imported only there."""

    template: str
    worker: str
    watcher: str
    capture: str
    errand: str


@dataclass(frozen=True, slots=True)
class OutputDesk:
    """Where children hand in what they write through, and where that is taken."""

    sending: socket.socket
    receiving: socket.socket  # kept open by the primary: what waits survives who takes it
    log: int  # the descriptor of prefork's own log, which is not tagged,
    access_log: int  # and of standard output, for an access log

    @classmethod
    def open(cls) -> "OutputDesk":
        sending, receiving = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiving.setblocking(False)
        return cls(sending, receiving, os.dup(2), os.dup(1))


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
    output: OutputDesk | None = None  # None: who writes to standard output does so itself

    @property
    def kept(self) -> list[int]:
        """The descriptors that every child keeps."""
        desk = self.output
        return [] if desk is None else [desk.sending.fileno(), desk.log, desk.access_log]

    @property
    def standard_output(self) -> int:
        """The descriptor of what was standard output when prefork was started."""
        return 1 if self.output is None else self.output.access_log


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


@dataclass(frozen=True, slots=True)
class AideBirth:
    """Of a process beside the fleet; *moment*: which hook it is to run, if that is its task."""

    estate: Estate
    moment: str = ""


Birth = TemplateBirth | WorkerBirth | AideBirth


def inherited(birth: Birth) -> list[int]:
    """The descriptors that a child keeps, beside the standard ones."""
    desk = birth.estate.output
    match birth:
        case TemplateBirth():
            own = [birth.channel]
        case WorkerBirth():
            own = [birth.channel, birth.handover, *birth.listeners]
        case AideBirth():
            own = [] if desk is None else [desk.receiving]
    return [each.fileno() for each in own] + birth.estate.kept
