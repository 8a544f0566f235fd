"""What a child process is born with: the objects that it inherits by fork."""

import socket
from dataclasses import dataclass

from prefork.settings.schema import Settings
from prefork.wire.board import Board


@dataclass(frozen=True, slots=True)
class Estate:
    """What all children of one primary share."""

    settings: Settings
    workers: int  # how many are wanted, with "max" resolved
    families: tuple[int, ...]  # of the addresses that are listened on, by number
    board: Board
    primary: int  # its pid


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
