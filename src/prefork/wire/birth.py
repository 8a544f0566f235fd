"""What a worker is born with that is executed: descriptors stay open, all else is a text."""

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import msgspec

from prefork.errors import RemoteError
from prefork.settings.schema import Settings
from prefork.wire.board import Board
from prefork.wire.estate import Entries, Estate, WorkerBirth
from prefork.wire.inquiry import Respondent
from prefork.wire.outlet import Desk

# In the environment of a script's worker; removed by it, so that what it starts is no worker.
BIRTH, ID, SLOT = "PREFORK_BIRTH", "PREFORK_WORKER_ID", "PREFORK_SLOT"
VARIABLES = (BIRTH, ID)  # the slot may be of use to what a worker starts


class _Certificate(msgspec.Struct, frozen=True):
    pid: int  # whose birth it is: what it starts may inherit the text, and not the descriptors
    primary: int
    id: int
    slot: int
    generation: int
    line: int
    channel: int
    handover: int
    board: int
    asked: int
    answering: int
    name: str
    control: str
    workers: int
    entries: Entries
    settings: dict[str, Any]
    output: list[int]  # what is kept of the desk for what is printed; or none


def certify(birth: WorkerBirth) -> dict[str, str]:
    """Write down the birth of this process, as variables of the program that it is to become.

    Its descriptors are inherited by that.
    """
    estate = birth.estate
    certificate = _Certificate(
        pid=os.getpid(),
        primary=estate.primary,
        id=birth.id,
        slot=birth.slot,
        generation=birth.generation,
        line=birth.line,
        channel=birth.channel.fileno(),
        handover=birth.handover.fileno(),
        board=estate.board.fileno(),
        asked=birth.inquiry.asked,
        answering=birth.inquiry.answering,
        name=estate.name,
        control=estate.control,
        workers=estate.workers,
        entries=estate.entries,
        settings=asdict(estate.settings),
        output=estate.kept,
    )
    for each in _descriptors(certificate):
        os.set_inheritable(each, True)
    text = msgspec.json.encode(certificate).decode()
    return {BIRTH: text, ID: str(birth.id), SLOT: str(birth.slot)}


def read(variables: Mapping[str, str]) -> WorkerBirth | None:
    """Read this process's birth; None: it has none, or the text is another process's.

    Programs that it starts don't inherit the descriptors. Raises RemoteError for what is none.
    """
    if not variables.get(BIRTH):
        return None
    try:
        certificate = msgspec.json.decode(variables[BIRTH], type=_Certificate)
    except msgspec.MsgspecError as error:
        raise RemoteError(f"{BIRTH} is not ours, so unset it: {error}") from None
    if certificate.pid != os.getpid():
        return None
    for each in _descriptors(certificate):
        os.set_inheritable(each, False)
    return _born(certificate)


def _born(certificate: _Certificate) -> WorkerBirth:
    estate = Estate(
        Settings.of(certificate.settings),
        certificate.workers,
        (),
        Board.of(certificate.board),
        certificate.primary,
        certificate.entries,
        certificate.name,
        output=Desk.of(certificate.output) if certificate.output else None,
        control=certificate.control,
    )
    return WorkerBirth(
        estate,
        certificate.id,
        certificate.slot,
        certificate.generation,
        certificate.line,
        socket.socket(fileno=certificate.channel),
        socket.socket(fileno=certificate.handover),
        (),
        Respondent(certificate.asked, certificate.answering),
    )


def _descriptors(certificate: _Certificate) -> list[int]:
    own = certificate
    return [own.channel, own.handover, own.board, own.asked, own.answering, *own.output]
