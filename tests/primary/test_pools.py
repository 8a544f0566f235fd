"""Workers that want lines get one to each pool process of their generation; over real channels."""

import os
import resource
import select
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.primary import party as parties

from prefork.core.facts import Fact, Misbehaved
from prefork.core.process import Role
from prefork.primary.children import Child
from prefork.primary.pools import ANEW, TRY_AGAIN, Pools
from prefork.wire.board import Board, Field
from prefork.wire.messages import PoolExit, PoolLine, Tickets, WorkerLine

NOW = 100.0
BOARD = Board(parties.LINES)  # each who dies clears its line
HERE = os.getpid()  # of a pool process, where a test wants to look at its handle


class Party(parties.Party):
    def __init__(self) -> None:
        super().__init__()
        self.pools = Pools(self.say, self.children, BOARD)

    def ready(self, generation: int = 1) -> Child:
        """Have a pool process that is ready."""
        process = self.add(Role.POOL, generation, HERE)
        process.slot = process.id + 10
        self.pools.open(process, NOW)
        return process

    def want(self, generation: int = 1, now: float = NOW) -> Child:
        """Have a worker that wants lines."""
        worker = self.add(Role.WORKER, generation)
        assert self.pools.want(worker, now) == []
        return worker

    def check(self, now: float = NOW) -> list[Fact]:
        return list(self.pools.check(now))

    def tickets(self, worker: Child) -> int:
        """Return the descriptor that came with the tickets."""
        [descriptor] = self.claim(worker, 1)
        return descriptor

    def pool_line(self, worker: Child) -> tuple[socket.socket, int]:
        """Return the end that came to the worker, and the handle of the process."""
        end, handle = self.claim(worker, 2)
        return self.line(end), handle

    def bury(self, child: Child, status: int = 0) -> list[Fact]:
        facts = self.pools.bury(child, status)
        BOARD.clear(child.line)
        self.dismiss(child)
        return facts

    def close(self) -> None:
        for child in self.children:
            self.bury(child)
        super().close()


@pytest.fixture
def party() -> Iterator[Party]:
    with parties.thrown(Party) as it:
        yield it


def line_to(process: Child) -> PoolLine:
    return PoolLine(process.id, process.id + 10, HERE, process.line, has_handle=True)


def check_pair(party: Party, worker: Child, process: Child) -> None:
    """Each was given an end of the one line between them, and nothing else."""
    assert party.heard(process) == [WorkerLine(worker.id, worker.line)]
    assert party.heard(worker) == [line_to(process)]
    connected(party, worker, process)


def connected(party: Party, worker: Child, process: Child) -> None:
    its, (ours, handle) = party.take(process), party.pool_line(worker)
    os.close(handle)
    ours.send(b"?")
    assert its.recv(1) == b"?"


def served(party: Party, worker: Child) -> None:
    """It has heard of the tickets, and of nothing else."""
    assert party.heard(worker) == [Tickets()]
    os.close(party.tickets(worker))


def test_a_worker_that_wants_them_gets_the_tickets_and_a_line_to_each_process(party: Party) -> None:
    processes = [party.ready(), party.ready()]
    assert party.check() == []
    worker = party.want()
    assert party.pools.next_check() == NOW
    assert party.check() == []
    assert party.heard(worker) == [*map(line_to, processes), Tickets()]
    for each in processes:
        assert party.heard(each) == [WorkerLine(worker.id, worker.line)]
        connected(party, worker, each)
    os.close(party.tickets(worker))
    assert party.pools.next_check() is None


def test_nobody_else_is_told_of_anything(party: Party) -> None:
    party.ready()
    other = party.add(Role.WORKER)
    party.want()
    party.check()
    assert party.heard(other) == []


def test_a_process_that_becomes_ready_later_gets_its_line_then(party: Party) -> None:
    worker = party.want()
    party.check()
    served(party, worker)
    process = party.ready()
    assert party.heard(worker) == [], "not before all was heard that has just happened"
    party.check()
    check_pair(party, worker, process)


def test_a_process_gets_its_end_before_the_worker_does(party: Party) -> None:
    processes, worker = [party.ready(), party.ready()], party.want()
    party.check()
    told = []
    for each in processes:
        told += [(each.id, "WorkerLine"), (worker.id, "PoolLine")]
    assert party.told == [*told, (worker.id, "Tickets")]


def test_a_worker_has_to_do_with_its_own_generation_alone(party: Party) -> None:
    old, new = party.ready(1), party.ready(2)
    early, late = party.want(1), party.want(2)
    party.check()
    for worker, process in ((early, old), (late, new)):
        assert party.heard(worker) == [line_to(process), Tickets()]
        assert party.heard(process) == [WorkerLine(worker.id, worker.line)]
        connected(party, worker, process)
    os.write(party.pools.tickets(1), b"one")
    os.write(party.pools.tickets(2), b"two")
    read = []
    for worker in (early, late):
        reading = party.tickets(worker)
        read.append(os.read(reading, 16))
        os.close(reading)
    assert read == [b"one", b"two"]


def fill(writing: int) -> None:
    while True:
        os.write(writing, bytes(16))


def test_who_reads_tickets_never_waits_nor_does_who_writes_them(party: Party) -> None:
    worker = party.want()
    party.check()
    party.heard(worker)
    reading, writing = party.tickets(worker), party.pools.tickets(1)
    with pytest.raises(BlockingIOError):
        os.read(reading, 16)
    with pytest.raises(BlockingIOError):
        fill(writing)
    os.close(reading)


def test_the_handle_is_that_of_the_process(party: Party) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        process, worker = party.add(Role.POOL, pid=sleeper.pid), party.want()
        party.pools.open(process, NOW)
        party.check()
        party.heard(worker)
        _, handle = party.pool_line(worker)
        os.close(party.tickets(worker))
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [])
        os.close(handle)
        assert sleeper.wait() == -signal.SIGKILL


def test_whoever_had_a_line_is_told_of_an_exit_and_of_the_task_that_ran(party: Party) -> None:
    process, worker = party.ready(), party.want()
    party.check()
    party.heard(worker)
    early = party.want()  # who has none yet, when the process dies
    stranger = party.want(2)
    BOARD.line(process.line)[Field.TASK] = 2**40 + 7
    process.reason = "task a is stuck"
    assert party.bury(process, -9) == []
    told = PoolExit(process.id, -9, 2**40 + 7, "task a is stuck")
    assert party.heard(worker) == [told]
    party.check()
    served(party, early)
    served(party, stranger)
    assert party.bury(worker) == []


def test_who_died_before_its_line_was_laid_gets_none(party: Party) -> None:
    process, worker = party.ready(), party.want()
    party.bury(process)
    party.check()
    served(party, worker)
    party.ready()
    party.bury(worker)
    assert party.check() == []


def test_a_worker_that_asks_again_gets_all_anew_once_a_second_has_passed(party: Party) -> None:
    process, worker = party.ready(), party.want()
    party.check()
    party.told.clear()
    for _ in range(5):
        assert party.pools.want(worker, NOW + 0.5) == []
        party.check(NOW + 0.5)
    assert party.told == []
    assert party.pools.next_check() == NOW + ANEW
    party.ready()  # for which it is looked at earlier
    party.check(NOW + 0.6)
    assert [told for _, told in party.told] == ["WorkerLine", "PoolLine"]
    assert party.pools.next_check() == NOW + ANEW
    party.told.clear()
    party.check(NOW + ANEW)
    anew = [*["WorkerLine", "PoolLine"] * 2, "Tickets"]
    assert [told for _, told in party.told] == anew
    assert party.pools.next_check() is None
    assert party.pools.want(worker, NOW + 3 * ANEW) == []
    party.check(NOW + 3 * ANEW)
    assert [told for _, told in party.told] == 2 * anew
    assert len(party.heard(process)) == 3


def test_only_workers_may_want_lines(party: Party) -> None:
    template, process = party.add(Role.TEMPLATE), party.ready()
    assert party.pools.want(template, NOW) == [Misbehaved(template.id)]
    assert party.pools.want(process, NOW) == [Misbehaved(process.id)]


@pytest.mark.parametrize("role", [Role.POOL, Role.WORKER], ids=lambda role: str(role.value))
def test_a_line_that_is_refused_is_laid_a_moment_later(party: Party, role: Role) -> None:
    process, worker = party.ready(), party.want()
    party.refuses = process if role is Role.POOL else worker
    assert party.check() == []
    assert "PoolLine" not in [told for _, told in party.told]
    assert party.pools.next_check() == NOW + TRY_AGAIN
    party.refuses = None
    assert party.check(NOW + TRY_AGAIN / 2) == []
    assert party.check(NOW + TRY_AGAIN) == []
    assert party.heard(worker) == [line_to(process), Tickets()]
    *void, last = party.heard(process)
    assert last == WorkerLine(worker.id, worker.line)
    for each in void:  # whose other end could not be sent
        assert each == last
        party.take(process)
    connected(party, worker, process)
    os.close(party.tickets(worker))
    assert party.pools.next_check() is None


@pytest.mark.parametrize("role", [Role.POOL, Role.WORKER], ids=lambda role: str(role.value))
def test_one_that_does_not_read_its_channel_is_given_no_more(party: Party, role: Role) -> None:
    process, worker = party.ready(), party.want()
    deaf = process if role is Role.POOL else worker
    party.deafen(deaf)
    party.told.clear()
    party.check()
    assert "WorkerLine" not in [told for _, told in party.told]
    party.heard(deaf)
    assert deaf.channel.flush()
    party.check(NOW + TRY_AGAIN)
    assert [told for _, told in party.told][-2:] == ["WorkerLine", "PoolLine"]
    assert party.pools.next_check() is None


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Have none left, but one."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_where_no_descriptor_is_left_it_is_tried_again(party: Party) -> None:
    process, worker = party.ready(), party.want()
    with no_descriptors():
        assert party.check() == []
        assert party.check(NOW + TRY_AGAIN) == []
        with pytest.raises(OSError, match="Too many open files"):
            party.pools.tickets(3)
    assert party.told == []
    party.check(NOW + 2 * TRY_AGAIN)
    assert party.heard(worker) == [line_to(process), Tickets()]


def test_the_tickets_of_a_generation_go_with_the_last_who_is_of_it(party: Party) -> None:
    process, worker, other = party.ready(), party.want(), party.ready(2)
    party.check()
    writing = party.pools.tickets(1)
    party.bury(process)
    assert party.pools.tickets(1) == writing
    party.bury(worker)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writing)
    os.fstat(party.pools.tickets(2))
    party.bury(other)


def test_a_guest_needs_no_pid_and_no_slot(party: Party) -> None:
    """A script that is no child of ours, and has but a channel."""
    process, guest = party.ready(), party.want()
    guest.pid = guest.slot = None
    party.check()
    assert party.heard(guest) == [line_to(process), Tickets()]
    party.bury(process, 1)
    assert party.heard(guest) == [PoolExit(process.id, 1, 0)]
