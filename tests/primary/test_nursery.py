"""Children that the system refuses."""

# ruff: noqa: ARG002 - a fake takes what the real one does

import errno
import gc
import os
import selectors
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.primary.desk import LOOPBACK

from prefork import log
from prefork.core.facts import Exited, Forked, Misbehaved, Ready
from prefork.core.orders import Spawn, SpawnPool, StartTemplate
from prefork.core.process import Role
from prefork.policy.schemes import SCHEMES
from prefork.primary.acceptor import Acceptor
from prefork.primary.aides import Aides
from prefork.primary.children import Child
from prefork.primary.host import PosixHost
from prefork.primary.listeners import Listeners
from prefork.primary.nursery import Nursery
from prefork.primary.rules import Rules
from prefork.primary.signals import Signals
from prefork.settings.schema import Settings
from prefork.wire import channel, descriptors, frames, messages
from prefork.wire.board import Board
from prefork.wire.channel import Channel
from prefork.wire.estate import Birth, Entries, Estate, Launch, PoolBirth, WorkerBirth, inherited
from prefork.wire.timings import Timings, summary

ENTRIES = Entries("template", "worker", "watcher", "capture", "errand")


class Refusing:
    """A fork(2) that the system refuses, for whatever reason."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self, entry: str, birth: Birth) -> int:
        raise OSError(self._number, os.strerror(self._number))


@pytest.fixture
def host() -> Iterator[PosixHost]:
    estate = Estate(Settings(app="a:b"), 1, (), Board(8), os.getpid(), ENTRIES)
    scheme = SCHEMES["rr"]
    listeners = Listeners([LOOPBACK], 16, scheme.accepts)
    signals = Signals.__new__(Signals)
    signals._before = {}
    signals._reading, signals._writing = os.pipe()
    with closing(selectors.DefaultSelector()) as selector:
        acceptor = Acceptor(listeners, Rules(scheme.policy), estate.board, selector)
        yield PosixHost(estate, Aides(estate), signals, selector, acceptor)
        acceptor.close(0.0)
    signals.close()


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.ENFILE])
def test_what_cannot_be_forked_is_as_if_it_had_died_and_leaves_nothing(
    host: PosixHost, number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    log.configure("info", "text")
    host.births.nursery = Nursery(host.estate, host.children, Refusing(number))
    gc.collect()  # boards of tests before, whose descriptors would be closed meanwhile
    before = os.listdir("/proc/self/fd")
    for id in range(3):
        facts = list(host.start(StartTemplate(id, 1, True)))
        assert facts == [Exited(id, 1, os.strerror(number))]
        for order in (Spawn(10 + id, 0, 1, None), SpawnPool(20 + id, 0, 1, None)):
            facts = list(host.spawn(order))
            assert facts == [Exited(order.id, 1, os.strerror(number))]
    assert os.listdir("/proc/self/fd") == before
    assert list(host.children) == []
    [told] = [line for line in capfd.readouterr().err.splitlines() if "spawn_failed" in line]
    assert os.strerror(number) in told


class Recording:
    """A fork(2) that is noted, and makes no process; who is told to kill the child finds none."""

    def __init__(self) -> None:
        self.born: list[tuple[str, Birth]] = []

    def __call__(self, entry: str, birth: Birth) -> int:
        self.born.append((entry, birth))
        return 2**22 + len(self.born)  # beyond the kernel's highest pid


def test_a_scripts_worker_is_launched_as_was_said_for_its_slot_and_so_is_who_follows(
    host: PosixHost,
) -> None:
    fork = Recording()
    host.births.nursery = Nursery(host.estate, host.children, fork)
    host.births.launch = Launch(("all",))
    jobs = {"ROLE": "jobs"}
    host.births.envs[0] = jobs
    for id, slot in ((11, 0), (12, 1)):
        list(host.spawn(Spawn(id, slot, 1, None)))
    host.births.launch = Launch(("newer",))
    list(host.spawn(Spawn(14, 0, 2, None)))  # a reload
    assert [entry for entry, _ in fork.born] == ["prefork.worker.launch:main"] * 3
    launches = [birth.launch for _, birth in fork.born if isinstance(birth, WorkerBirth)]
    assert launches == [Launch(("all",), jobs), Launch(("all",)), Launch(("newer",), jobs)]
    board = host.estate.board.fileno()
    assert all(board in inherited(birth) for _, birth in fork.born)
    host.births.launch = None
    list(host.spawn(Spawn(13, 2, 1, None)))
    entry, birth = fork.born[-1]
    assert entry == "worker"
    assert board not in inherited(birth)
    for child in host.children:
        child.close()


class Smuggling(Recording):
    """A fork(2) whose child sends what the primary would have to keep open for it."""

    def __call__(self, entry: str, birth: Birth) -> int:
        assert isinstance(birth, WorkerBirth)
        said = frames.encode(messages.encode(messages.Nudge()))
        socket.send_fds(birth.channel, [said], [0] * 200)
        return super().__call__(entry, birth)


def test_a_child_that_sends_descriptors_to_the_primary_is_blamed_and_costs_none(
    host: PosixHost,
) -> None:
    host.births.nursery = Nursery(host.estate, host.children, Smuggling())
    list(host.spawn(Spawn(11, 0, 1, None)))
    [child] = host.children
    before = descriptors.count_open()
    assert list(host._talk.read(child, 0.0)) == [Misbehaved(11)]
    assert descriptors.count_open() == before
    child.close()


def test_a_pool_process_is_born_with_its_channel_the_tickets_and_its_timings_alone(
    host: PosixHost,
) -> None:
    fork = Recording()
    host.births.nursery = Nursery(host.estate, host.children, fork)
    assert list(host.spawn(SpawnPool(11, 4, 1, None))) == [Forked(11, 2**22 + 1)]
    [(entry, birth)] = fork.born
    assert entry == "prefork.worker.pooled:main"
    assert isinstance(birth, PoolBirth)
    assert (birth.id, birth.slot, birth.generation, birth.line) == (11, 4, 1, 1)
    assert birth.tickets == host.reception.pools.tickets(1)
    assert set(inherited(birth)) == {birth.channel.fileno(), birth.tickets, birth.timings}
    [child] = host.children
    assert (str(child), child.slot, list(host.timings())) == ("pool 4", 4, [11])
    child.close()


def test_a_template_is_sent_what_a_pool_process_is_born_with(host: PosixHost) -> None:
    ours, theirs = (Channel(each) for each in channel.pair())
    template = Child(1, Role.TEMPLATE, 1, host.children.take_line(), ours, pid=2**22)
    host.children.add(template)
    host._talk.begin(template)
    assert list(host.spawn(SpawnPool(11, 4, 1, template=1))) == []
    assert theirs.receive() == [messages.SpawnPool(11, 4, 2)]
    end, tickets, memory = theirs.claim(3)
    process = host.children.get(11)
    assert process is not None
    os.write(tickets, b"a ticket")
    timings = Timings.of(memory)
    timings.note(1000, 2000, int(host.now() * 1e9))
    assert summary([host.timings()[11].seen(int(host.now() * 1e9))]).count == 1
    with closing(Channel(socket.socket(fileno=end))) as its:
        its.send(messages.Ready(os.getpid()))
        assert list(host._talk.read(process, 0.0)) == [Forked(11, os.getpid()), Ready(11)]
    theirs.close()
    descriptors.close_all([tickets, memory])
    for child in host.children:
        child.close()
