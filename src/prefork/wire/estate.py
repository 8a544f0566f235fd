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
    listeners: tuple[socket.socket, ...]  # for the policy `shared`; else only their families count
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
