"""The acceptor with real sockets: spread, take-back, waiting, the end."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.primary.desk import LOOPBACK, Desk, desk_of
from tests.support.scarcity import used_up

from prefork.policy.ledger import STUCK_AFTER, WINDOW
from prefork.policy.schemes import Accepts
from prefork.primary.dispatch import LOOK_AGAIN
from prefork.primary.listeners import Listener
from prefork.settings.address import InheritedAddress
from prefork.wire import handover
from prefork.wire.board import Field


@pytest.fixture
def desk() -> Iterator[Desk]:
    with desk_of("rr") as it:
        yield it


def test_connections_are_given_out_in_turn(desk: Desk) -> None:
    workers = [desk.hire() for _ in range(3)]
    desk.connect(9)
    desk.turn()
    assert [desk.serve(worker) for worker in workers] == [3, 3, 3]
    assert desk.answered() == 9


def test_without_workers_connections_stay_in_the_backlog_until_one_comes(desk: Desk) -> None:
    desk.connect(5)
    desk.turn()
    worker = desk.hire()
    desk.turn()
    assert desk.serve(worker) == 5


def test_a_dead_workers_connections_go_to_the_others(desk: Desk) -> None:
    victim, other = desk.hire(), desk.hire()
    desk.connect(10)
    desk.turn()
    desk.acceptor.bury(victim, desk.now)
    assert desk.serve(other) == 10
    assert desk.answered() == 10


def test_what_a_dead_worker_took_without_counting_is_told(desk: Desk) -> None:
    victim = desk.hire()
    desk.connect(4)
    desk.turn()
    assert victim.kept is not None
    batch = handover.receive(victim.kept)  # taken, and killed before it was counted
    assert batch is not None
    assert desk.acceptor.bury(victim, desk.now) == batch.sent == 4
    for descriptor in batch.descriptors:
        os.close(descriptor)


def test_a_stalled_workers_connections_go_to_the_others_in_time(desk: Desk) -> None:
    desk.hire()
    other = desk.hire()
    desk.connect(20)
    desk.turn()
    desk.serve(other)
    assert desk.acceptor.next_check() == STUCK_AFTER
    desk.now = STUCK_AFTER
    desk.turn()
    assert desk.serve(other) == 10
    desk.connect(3)
    desk.turn()
    assert desk.serve(other) == 3, "a stuck worker gets nothing"
    assert desk.answered() == 23


def test_a_worker_that_has_begun_to_take_is_looked_at_again(desk: Desk) -> None:
    slow, other = desk.hire(), desk.hire()
    for count in (2, 18):
        desk.connect(count)
        desk.turn()
    desk.serve(other)
    assert slow.kept is not None
    batch = handover.receive(slow.kept)
    assert batch is not None
    desk.board.line(slow.line)[Field.RECEIVED] = batch.sent
    for descriptor in batch.descriptors:
        os.close(descriptor)
    for _ in range(4):
        due = desk.acceptor.next_check()
        assert due is not None
        desk.now = due
        desk.turn()
        if taken := desk.serve(other):
            assert taken == 9
            return
    raise AssertionError("its connections wait for ever")


def test_a_stalled_worker_that_beats_again_is_given_its_turn(desk: Desk) -> None:
    stalled, other = desk.hire(), desk.hire()
    desk.connect(2)
    desk.turn()
    desk.serve(other)
    desk.now = STUCK_AFTER
    desk.turn()
    desk.board.line(stalled.line)[Field.BEAT] = 1
    desk.connect(2)
    desk.turn()
    assert desk.serve(stalled) == 1


def test_with_all_workers_full_the_kernel_queues_and_somebody_looks_again(desk: Desk) -> None:
    worker = desk.hire()
    desk.connect(WINDOW + 40)
    for _ in range(4):
        desk.turn()
    assert desk.board.line(0)[Field.WAITING] == 1
    assert not desk.selector.get_map(), "nothing is taken that nobody has room for"
    assert desk.acceptor.next_check() is not None
    assert desk.serve(worker) == WINDOW
    desk.acceptor.resume(desk.now)
    for _ in range(4):
        desk.turn()
    assert desk.serve(worker) == WINDOW
    desk.acceptor.resume(desk.now)
    desk.turn()
    assert desk.serve(worker) == 40 - WINDOW
    assert desk.board.line(0)[Field.WAITING] == 0


def test_closing_gives_out_the_backlog_beyond_every_window_then_refuses(desk: Desk) -> None:
    worker = desk.hire()
    desk.connect(100)
    desk.acceptor.close(desk.now)
    assert desk.serve(worker) == 100
    with pytest.raises(ConnectionRefusedError):
        desk.connect(1)


def test_closing_leaves_what_waits_in_an_inherited_socket_to_whoever_opened_it() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as opened:
        address = InheritedAddress(os.dup(opened.fileno()))
        with desk_of("rr", address) as desk:
            worker = desk.hire()
            desk.connect(1)
            desk.turn()
            desk.connect(3)
            desk.acceptor.close(desk.now)
            assert desk.serve(worker) == 1
            desk.connect(1)
        opened.setblocking(False)
        for _ in range(4):
            opened.accept()[0].close()
        with pytest.raises(BlockingIOError):
            opened.accept()


def test_closing_gives_out_first_what_waited_before(desk: Desk) -> None:
    worker = desk.hire()
    desk.connect(WINDOW + 10)
    for _ in range(4):
        desk.turn()
    desk.acceptor.close(desk.now)
    desk.acceptor.leave(worker, desk.now)
    desk.acceptor.resume(desk.now)
    assert desk.serve(worker) == WINDOW + 10


def test_a_closed_acceptor_never_listens_again(desk: Desk) -> None:
    worker = desk.hire()
    desk.acceptor.close(desk.now)
    desk.acceptor.resume(desk.now)
    assert not desk.selector.get_map()
    assert desk.serve(worker) == 0


def test_connections_stay_in_the_backlog_when_the_last_worker_leaves(desk: Desk) -> None:
    worker = desk.hire()
    desk.acceptor.leave(worker, desk.now)
    assert not desk.selector.get_map()
    desk.connect(2)
    desk.turn()
    successor = desk.hire()
    desk.turn()
    assert desk.serve(successor) == 2


def test_a_new_worker_gets_no_more_than_it_has_room_for(desk: Desk) -> None:
    first = desk.hire()
    desk.acceptor.leave(first, desk.now)
    worker = desk.hire(capacity=3)
    desk.connect(5)
    desk.turn()
    assert desk.serve(worker) == 3


def test_what_nobody_can_serve_after_the_end_is_answered_503(desk: Desk) -> None:
    worker = desk.hire()
    desk.connect(2)
    desk.turn()
    desk.acceptor.close(desk.now)
    desk.acceptor.bury(worker, desk.now)
    for client in desk.clients:
        client.settimeout(5)
        assert client.recv(100).startswith(b"HTTP/1.1 503 ")


def test_what_a_worker_is_late_to_take_at_the_end_stays_its_own(desk: Desk) -> None:
    workers = [desk.hire(), desk.hire()]
    desk.connect(4)
    desk.turn()
    end(desk)
    desk.now += 2 * STUCK_AFTER
    desk.turn()
    assert [desk.serve(each) for each in workers] == [2, 2]


def test_what_all_were_late_to_take_before_the_end_is_theirs_in_the_end(desk: Desk) -> None:
    workers = [desk.hire(), desk.hire()]
    desk.connect(4)
    desk.turn()
    desk.now += 2 * STUCK_AFTER
    desk.turn()
    assert [desk.serve(each) for each in workers] == [0, 0], "it was taken back"
    end(desk)
    assert [desk.serve(each) for each in workers] == [2, 2]


def end(desk: Desk) -> None:
    """Listen no more, and tell all to stop."""
    desk.acceptor.close(desk.now)
    for each in desk.children:
        desk.acceptor.leave(each, desk.now)


def test_an_idle_acceptor_asks_for_no_look(desk: Desk) -> None:
    worker = desk.hire()
    desk.connect(1)
    desk.turn()
    desk.serve(worker)
    desk.now = STUCK_AFTER
    desk.turn()
    assert desk.acceptor.next_check() is None


# Connections in all


@pytest.mark.parametrize("policy", ["rr", "least", "hash"])
def test_connections_above_all_that_may_be_wait_in_the_kernel(policy: str) -> None:
    with desk_of(policy, most=5) as desk:
        workers = [desk.hire() for _ in range(2)]
        desk.connect(9)
        desk.turn()
        assert not desk.selector.get_map()
        taken = {worker.id: desk.serve(worker) for worker in workers}
        assert sum(taken.values()) == 5
        for worker in workers:
            desk.holds(worker, taken[worker.id])
        look_again(desk)
        assert [desk.serve(worker) for worker in workers] == [0, 0]
        closing = max(workers, key=lambda worker: taken[worker.id])
        desk.holds(closing, taken[closing.id] - 2)
        look_again(desk)
        assert sum(desk.serve(worker) for worker in workers) == 2


def test_what_a_worker_that_leaves_still_has_counts_until_it_is_dead() -> None:
    with desk_of("rr", most=2) as desk:
        old, new = desk.hire(), desk.hire()
        desk.connect(4)
        desk.turn()
        assert [desk.serve(old), desk.serve(new)] == [1, 1]
        desk.holds(old, 1)
        desk.holds(new, 1)
        desk.acceptor.leave(old, desk.now)
        look_again(desk)
        assert desk.serve(new) == 0
        desk.acceptor.bury(old, desk.now)
        desk.turn()
        assert desk.serve(new) == 1


def test_at_the_end_what_the_kernel_has_is_given_out_all_the_same() -> None:
    with desk_of("rr", most=1) as desk:
        worker = desk.hire()
        desk.connect(3)
        desk.turn()
        desk.acceptor.close(desk.now)
        assert desk.serve(worker) == 3


def test_what_waits_for_a_worker_counts_too() -> None:
    with desk_of("rr", LOOPBACK, LOOPBACK, most=3) as desk:
        worker = desk.hire(capacity=1)
        for address in desk.listeners.bound:
            desk.connect(5, address=address)
        desk.turn()
        assert desk.serve(worker) == 1
        desk.holds(worker, 1)
        desk.board.line(worker.line)[Field.CAPACITY] = 100
        for _ in range(3):
            look_again(desk)
        assert desk.serve(worker) == 2


def look_again(desk: Desk) -> None:
    """Let the acceptor see that there is room, and take what waits then."""
    desk.now += LOOK_AGAIN
    desk.turn()
    desk.turn()


class Full(socket.socket):
    """One from which the system can give no connection."""

    number = errno.ENFILE

    def _accept(self) -> tuple[int, Any]:
        raise OSError(self.number, os.strerror(self.number))


def test_an_accept_that_fails_for_its_client_is_skipped(desk: Desk) -> None:
    worker = desk.hire()
    with closing(Full()) as sock:
        sock.number = errno.ECONNABORTED
        desk.acceptor.dispatch.accept(Listener(sock, 0, Accepts.PRIMARY), desk.now)
    assert desk.acceptor.next_check() is None
    desk.connect(2)
    desk.turn()
    assert desk.serve(worker) == 2


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_where_the_system_has_no_room_it_waits_and_says_so_once_a_minute(
    desk: Desk, number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = desk.hire()
    desk.connect(3)
    with closing(Full()) as sock:
        sock.number = number
        full = Listener(sock, 0, Accepts.PRIMARY)
        for _ in range(1000):
            desk.acceptor.dispatch.accept(full, desk.now)
            assert desk.board.line(0)[Field.WAITING] == 1
            assert desk.acceptor.next_check() is not None
            desk.now += 0.01
        assert capfd.readouterr().err.count("accept_failed") == 1
    desk.now += LOOK_AGAIN
    desk.acceptor.check(desk.now)
    desk.turn()
    assert desk.serve(worker) == 3


def test_what_a_dead_worker_had_not_taken_waits_until_there_are_descriptors(desk: Desk) -> None:
    victim = desk.hire()
    desk.connect(5)
    desk.turn()
    with used_up():
        desk.acceptor.bury(victim, desk.now)
        victim.close()
        desk.now += LOOK_AGAIN
        desk.acceptor.check(desk.now)
    other = desk.hire()
    desk.now += STUCK_AFTER
    desk.acceptor.check(desk.now)
    assert desk.serve(other) == 5
    assert desk.answered() == 5


def test_what_a_stuck_worker_holds_is_taken_back_when_there_are_descriptors_again(
    desk: Desk,
) -> None:
    stuck = desk.hire()
    desk.connect(5)
    desk.turn()
    other = desk.hire()
    desk.now += STUCK_AFTER
    with used_up():
        desk.acceptor.check(desk.now)
    assert desk.serve(other) == 0
    desk.now += STUCK_AFTER
    desk.acceptor.check(desk.now)
    assert desk.serve(other) == 5
    assert desk.serve(stuck) == 0
