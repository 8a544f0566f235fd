"""Steering: the program by itself, by a small interpreter, and in the kernel."""

import errno
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.primary.desk import LOOPBACK, Desk, desk_of
from tests.support.wire import source

from prefork.policy.ledger import STUCK_AFTER
from prefork.policy.schemes import Accepts
from prefork.primary import steering
from prefork.primary.dispatch import LOOK_OVER
from prefork.primary.listeners import Listener, Listeners
from prefork.primary.steering import Instruction, program
from prefork.settings.address import TcpAddress, UnixAddress
from prefork.wire.board import Field

FEWEST_OF_ALL_KERNELS = 20480 // 8  # net.core.optmem_max before Linux 6.6, in instructions


def run(instructions: Sequence[Instruction], number: int) -> int:
    """Run a program as the kernel does, where its random number is *number*."""
    place = accumulator = 0
    while True:
        code, jt, jf, k = instructions[place]
        place += 1
        match code:
            case steering.LOAD if k == steering.RANDOM:
                accumulator = number
            case steering.MODULO:
                accumulator %= k
            case steering.ADD:
                accumulator += k
            case steering.JUMP_IF_AT_LEAST:
                place += jt if accumulator >= k else jf
            case steering.RETURN:
                return accumulator
            case _:
                raise AssertionError(f"never meant to be used: {code:#x}")


@pytest.mark.parametrize("size", range(2, 8))
def test_every_open_one_gets_the_same_share_and_a_closed_one_nothing(size: int) -> None:
    for mask in range(2**size - 1):  # all but: all are closed
        closed = {index for index in range(size) if mask >> index & 1}
        steps = program(size, closed)
        rounds = size - len(closed)
        got = Counter(run(steps, number) for number in range(3 * rounds))
        assert got == dict.fromkeys(set(range(size)) - closed, 3)


def test_where_all_are_closed_all_are_open() -> None:
    assert program(4, range(4)) == program(4, ())


def test_in_which_order_closed_ones_are_named_does_not_matter() -> None:
    assert program(9, [7, 8, 3, 1]) == program(9, {1, 3, 7, 8})


def test_the_program_of_1024_slots_stays_within_what_every_kernel_takes() -> None:
    assert 2 * len(program(1024, range(0, 1024, 2))) < FEWEST_OF_ALL_KERNELS


@contextmanager
def group(size: int, host: str = "127.0.0.1") -> Iterator[Listeners]:
    with closing(Listeners([TcpAddress(host, 0)], 512, Accepts.SLOT)) as listeners:
        for slot in range(size):
            listeners.of(slot)
        yield listeners


def lengths(listeners: Listeners, count: int) -> list[int]:
    """Connect *count* times, and tell how long each queue is; nobody accepts."""
    (bound,) = listeners.bound
    assert isinstance(bound, TcpAddress)
    with ExitStack() as opened:
        for _ in range(count):
            opened.enter_context(socket.create_connection((bound.host, bound.port)))
        return [each.queued() for each in listeners.groups[0]]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("closed", [set(), {0}, {3}, {1, 2}, {0, 1, 3}])
def test_the_kernel_obeys_by_the_order_in_which_listeners_were_made(
    host: str, closed: set[int]
) -> None:
    with group(4, host) as listeners:
        steering.attach(listeners.groups[0][2].sock, program(4, closed))
        queued = lengths(listeners, 200)
        assert sum(queued) == 200
        assert {index for index, length in enumerate(queued) if length == 0} == closed


def test_400_connections_are_spread_evenly_over_what_is_open() -> None:
    with group(5) as listeners:
        steering.attach(listeners.groups[0][0].sock, program(5, {2}))
        queued = lengths(listeners, 400)
        # 100 each, and the deviation is 8.7: five of them once in 400,000 runs
        assert all(abs(length - 100) < 5 * 8.7 for length in queued[:2] + queued[3:])


class Kernel(socket.socket):
    """Counts what it is told, and may know no such option."""

    told = 0
    refuses = False

    def setsockopt(self, *_: object) -> None:
        self.told += 1
        if self.refuses:
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")


@contextmanager
def pair(kernel: Kernel) -> Iterator[list[Listener]]:
    """Two listeners of an address, of which the first is asked."""
    with group(2) as listeners, closing(kernel):
        ((first, other),) = listeners.groups
        yield [replace(first, sock=kernel), other]


def test_the_kernel_is_told_only_what_is_new() -> None:
    with pair(kernel := Kernel()) as members:
        it = steering.Steering()
        for served in ({0}, {0}, {0, 1}, {1, 0}, {0}):
            it.steer([members], {0: served})
        assert kernel.told == 3


def test_a_kernel_that_refuses_is_told_of_once_and_asked_until_it_obeys(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pair(kernel := Kernel()) as members:
        it = steering.Steering()
        kernel.refuses = True
        for served in ({0}, {0}, {1}):
            it.steer([members], {0: served})
        assert capfd.readouterr().err.count("steering_refused") == 1
        kernel.refuses = False
        for _ in range(2):
            it.steer([members], {0: {1}})
        assert kernel.told == 3 + 1


# By the acceptor


@pytest.fixture
def desk() -> Iterator[Desk]:
    with desk_of("reuseport") as it:
        yield it


def spread(desk: Desk, count: int) -> None:
    for number in range(count):
        desk.connect(1, source(number))


def queued(desk: Desk) -> list[int]:
    return [each.queued() for each in desk.listeners]


def test_new_connections_come_only_to_slots_that_have_a_worker(desk: Desk) -> None:
    desk.hire(slot=0)
    other = desk.hire(slot=1)
    desk.spawn(slot=2)
    spread(desk, 40)
    assert queued(desk)[2] == 0
    desk.acceptor.leave(other, desk.now)
    before = queued(desk)
    spread(desk, 40)
    assert queued(desk) == [before[0] + 40, before[1], 0]


def test_while_nobody_serves_connections_wait_in_every_queue(desk: Desk) -> None:
    workers = [desk.hire() for _ in range(3)]
    for worker in workers:
        desk.acceptor.leave(worker, desk.now)
    spread(desk, 60)
    assert min(queued(desk)) > 0


def test_a_slot_that_is_filled_again_gets_connections_again(desk: Desk) -> None:
    desk.hire(slot=0)
    desk.acceptor.leave(desk.hire(slot=1), desk.now)
    desk.hire(slot=1)
    spread(desk, 40)
    assert min(queued(desk)) > 5


def turn_at(desk: Desk, now: float) -> None:
    desk.now = now
    desk.turn()


def stuck_and_other(desk: Desk) -> None:
    """Two workers, of which the first takes nothing from its queue for too long."""
    _, other = desk.hire(), desk.hire()
    turn_at(desk, 10.0)  # quiet: from here on it waits for somebody to come
    spread(desk, 40)
    turn_at(desk, 10.1)
    desk.board.line(other.line)[Field.ACCEPTED] += desk.accept(other)
    assert queued(desk)[0] > 5
    assert desk.acceptor.next_check() == pytest.approx(10.1 + LOOK_OVER)
    turn_at(desk, 10.1 + STUCK_AFTER - 0.01)
    assert desk.serve(other) == 0
    turn_at(desk, 10.1 + STUCK_AFTER + LOOK_OVER)
    desk.turn()


def test_what_waits_for_a_stuck_worker_goes_to_the_others_and_nothing_new_comes_to_it(
    desk: Desk,
) -> None:
    stuck_and_other(desk)
    _, other = desk.children
    assert desk.serve(other) + desk.accept(other) > 5
    assert desk.answered() == 40
    spread(desk, 40)
    assert queued(desk) == [0, 40]


def test_a_stuck_worker_whose_loop_turns_again_gets_connections_again(desk: Desk) -> None:
    stuck_and_other(desk)
    stuck, other = desk.children
    desk.serve(other)
    turn_at(desk, 60.0)
    desk.board.line(stuck.line)[Field.BEAT] += 1
    turn_at(desk, desk.now + LOOK_OVER)
    spread(desk, 40)
    assert min(queued(desk)) > 5
    desk.turn()
    assert desk.serve(other) == 0, "its queue is its own again"


def test_a_worker_that_never_empties_its_queue_but_takes_from_it_is_not_stuck(desk: Desk) -> None:
    busy, other = desk.hire(), desk.hire()
    spread(desk, 40)
    for number in range(1, 20):
        desk.board.line(busy.line)[Field.ACCEPTED] += 1
        desk.board.line(other.line)[Field.ACCEPTED] += 1
        turn_at(desk, 1.0 + number * LOOK_OVER)
    assert min(queued(desk)) > 5


def test_a_worker_that_leaves_while_nothing_came_leaves_its_queue_to_the_others(
    desk: Desk,
) -> None:
    first, other = desk.hire(), desk.hire()
    turn_at(desk, 1.0)
    spread(desk, 40)
    desk.acceptor.leave(first, desk.now)
    desk.turn()
    assert desk.serve(other) > 5
    assert queued(desk)[0] == 0


def test_a_full_worker_gets_nothing_new_while_another_has_room(desk: Desk) -> None:
    full = desk.hire(capacity=2)
    other = desk.hire()
    spread(desk, 20)
    desk.holds(full, 2)
    turn_at(desk, 1.0)
    desk.turn()
    assert desk.serve(other) + desk.accept(other) == 20
    spread(desk, 20)
    assert queued(desk) == [0, 20]
    desk.accept(other)
    turn_at(desk, 60.0)
    desk.holds(full, 1)
    turn_at(desk, 60.0 + LOOK_OVER)
    spread(desk, 20)
    assert queued(desk)[0] > 0


def test_where_all_are_full_connections_wait_in_every_queue(desk: Desk) -> None:
    for _ in range(2):
        desk.holds(desk.hire(capacity=1), 1)
    turn_at(desk, 1.0)
    spread(desk, 40)
    turn_at(desk, 1.1)
    assert min(queued(desk)) > 5


def test_at_rest_nobody_looks_at_the_queues_until_somebody_comes(desk: Desk) -> None:
    worker = desk.hire()
    turn_at(desk, 1.0)
    assert desk.acceptor.next_check() is None
    spread(desk, 1)
    turn_at(desk, 5.0)
    assert desk.acceptor.next_check() == 5.0 + LOOK_OVER
    desk.board.line(worker.line)[Field.ACCEPTED] += desk.accept(worker)
    turn_at(desk, 5.0 + LOOK_OVER)
    assert desk.acceptor.next_check() is not None, "more may come"
    turn_at(desk, 5.0 + LOOK_OVER + STUCK_AFTER)
    assert desk.acceptor.next_check() is None


def test_under_load_the_primary_is_not_woken_for_every_connection(desk: Desk) -> None:
    desk.hire()
    turn_at(desk, 1.0)
    spread(desk, 1)
    turn_at(desk, 1.0)
    spread(desk, 10)
    assert not desk.selector.select(0)


def test_what_all_workers_accept_from_wakes_the_primary_for_nobody(tmp_path: Path) -> None:
    path = UnixAddress(str(tmp_path / "web.sock"))
    with desk_of("reuseport", LOOPBACK, path) as desk:
        desk.hire()
        turn_at(desk, 1.0)
        desk.connect(1, address=path)
        assert not desk.selector.select(0)


def test_when_no_more_come_nobody_looks_any_more(desk: Desk) -> None:
    desk.hire()
    desk.acceptor.close(desk.now)
    turn_at(desk, 0.0)
    assert desk.acceptor.next_check() is None


@pytest.mark.parametrize("policy", ["rr", "shared"])
def test_other_policies_look_at_no_queue(policy: str) -> None:
    with desk_of(policy) as desk:
        desk.hire()
        desk.turn()
        assert desk.acceptor.next_check() is None
