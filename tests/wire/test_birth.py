"""A birth that is written down and read again, in one process and in a program that it becomes."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.settings.samples import samples
from tests.support.cradle import Cradle, exit_code_of
from tests.support.printing import close

from prefork.errors import RemoteError
from prefork.settings.schema import Settings, described
from prefork.wire import birth as births
from prefork.wire.board import Field
from prefork.wire.estate import WorkerBirth
from prefork.wire.messages import Online
from prefork.wire.outlet import Desk

# What a program does that was executed with a birth.
PROGRAM = """
import os
from prefork.wire import birth as births
from prefork.wire.board import Field
from prefork.wire.channel import Channel
from prefork.wire.messages import Online
born = births.read(os.environ)
born.estate.board.line(born.line)[Field.ACCEPTED] = 42
Channel(born.channel).send(Online(os.getpid()))
os._exit(born.slot)
"""


def read(variables: Mapping[str, str]) -> WorkerBirth:
    """Read a birth of this process, whose descriptors stay those of its cradle."""
    born = births.read(variables)
    assert born is not None
    born.channel.detach()
    born.handover.detach()
    return born


@pytest.fixture
def cradle() -> Iterator[Cradle]:
    with closing(Cradle(os.getppid())) as made:
        yield made


def test_what_was_written_down_is_read_again(cradle: Cradle) -> None:
    born, estate = cradle.birth, cradle.birth.estate
    again = births.read(births.certify(born))
    assert again is not None
    pairs = ((again.channel, born.channel), (again.handover, born.handover))
    for copy, sock in pairs:
        assert (copy.fileno(), copy.family, copy.type) == (sock.fileno(), sock.family, sock.type)
        copy.detach()
    assert replace(again.estate, board=estate.board) == estate
    assert (again.id, again.slot, again.generation, again.line) == (7, 1, 3, 2)
    assert again.inquiry == born.inquiry


def test_programs_that_it_starts_inherit_nothing_of_it(cradle: Cradle) -> None:
    born = cradle.birth
    own = [born.channel.fileno(), born.handover.fileno(), born.estate.board.fileno()]
    own += born.inquiry.descriptors
    variables = births.certify(born)
    assert [os.get_inheritable(each) for each in own] == [True] * 5
    read(variables)
    assert [os.get_inheritable(each) for each in own] == [False] * 5


def test_what_its_output_goes_through_comes_along(cradle: Cradle) -> None:
    desk = Desk.open()
    estate = replace(cradle.birth.estate, output=desk)
    again = read(births.certify(replace(cradle.birth, estate=estate))).estate.output
    assert again is not None
    assert again.kept == desk.kept
    for tray in (again.tagging, again.keeping):
        tray.sending.detach()
    close(desk)


def test_a_program_that_is_executed_finds_its_lines(cradle: Cradle) -> None:
    pid = os.fork()
    if pid == 0:
        variables = {"PYTHONPATH": os.pathsep.join(sys.path)} | births.certify(cradle.birth)
        os.execve(sys.executable, [sys.executable, "-c", PROGRAM], variables)
    assert exit_code_of(pid) == cradle.birth.slot
    assert cradle.channel.receive() == [Online(pid)]
    assert cradle.birth.estate.board.line(2)[Field.ACCEPTED] == 42


def test_another_processes_birth_is_none(cradle: Cradle) -> None:
    variables = births.certify(cradle.birth)
    assert births.read({}) is None
    assert births.read({births.BIRTH: ""}) is None
    pid = os.fork()
    if pid == 0:
        os._exit(births.read(variables) is not None)
    assert exit_code_of(pid) == 0


@pytest.mark.parametrize("text", ["{", "[]", '{"pid": 1}', '{"pid": "x"}'])
def test_what_is_no_birth_is_said_to_be_none(text: str) -> None:
    with pytest.raises(RemoteError, match="PREFORK_BIRTH is not ours, so unset it: "):
        births.read({births.BIRTH: text})


def test_no_setting_is_called_like_what_a_birth_is_written_in() -> None:
    assert not {each.variable for each in described()} & {births.BIRTH, births.ID, births.SLOT}


def test_every_setting_comes_through(cradle: Cradle, tmp_path: Path) -> None:
    descriptors = [cradle.channel.fileno()]
    for each in described():
        for value in samples(each, tmp_path, descriptors):
            given: dict[str, Any] = {"app": "shop:app", each.name: value}
            settings = Settings(**given)
            estate = replace(cradle.birth.estate, settings=settings)
            again = read(births.certify(replace(cradle.birth, estate=estate)))
            assert again.estate.settings == settings
