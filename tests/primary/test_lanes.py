"""What workers hand back reaches those that follow them, or is answered; none is lost."""

import socket
from collections.abc import Iterator

import pytest
from tests.primary.desk import Desk, desk_of
from tests.support.scarcity import used_up

from prefork.core.facts import Misbehaved
from prefork.policy.ledger import LEGACY, STUCK_AFTER, WINDOW
from prefork.primary.children import Child
from prefork.primary.dispatch import LOOK_AGAIN
from prefork.wire import descriptors, handover
from prefork.wire.board import Field


@pytest.fixture
def desk() -> Iterator[Desk]:
    with desk_of("rr") as it:
        yield it


def retire(desk: Desk, child: Child) -> None:
    """Tell it to go, and to hand back."""
    desk.acceptor.leave(child, desk.now, hands_back=True)


def hand_back(desk: Desk, child: Child, count: int, *, in_one: int = 1, address: int = 0) -> None:
    """Have the worker hand back so many connections whose clients are the desk's."""
    assert child.kept is not None
    ends = []
    for _ in range(count):
        near, far = socket.socketpair()
        desk.clients.append(far)
        ends.append(near)
    for start in range(0, count, in_one):
        given = [each.fileno() for each in ends[start : start + in_one]]
        assert handover.send(child.kept, address, given, is_moved=True)
    desk.board.line(child.line)[Field.HANDED_BACK] += count
    for each in ends:
        each.close()


def moved(desk: Desk, child: Child) -> int:
    """Take and answer what the worker was given; return how many of these another one had."""
    assert child.kept is not None
    count = 0
    while (batch := handover.receive(child.kept)) is not None:
        count += len(batch.descriptors) * batch.is_moved
        desk.board.line(child.line)[Field.RECEIVED] += len(batch.descriptors)
        for each in batch.descriptors:
            with socket.socket(fileno=each) as connection:
                connection.send(b"ok")
    return count


def turns(desk: Desk, count: int) -> None:
    for _ in range(count):
        desk.turn()


@pytest.mark.parametrize("policy", ["rr", "least", "hash", "shared", "reuseport"])
def test_the_next_worker_of_its_slot_gets_them(policy: str) -> None:
    with desk_of(policy) as desk:
        old, other = desk.hire(0), desk.hire(1)
        new = desk.hire(0)
        retire(desk, old)
        hand_back(desk, old, 10, in_one=4)
        turns(desk, 3)
        assert (moved(desk, new), moved(desk, other)) == (10, 0)
        assert desk.answered() == 10


def test_where_its_slot_is_gone_the_policy_says_who_gets_them(desk: Desk) -> None:
    stays, also_stays, goes = (desk.hire() for _ in range(3))
    retire(desk, goes)
    hand_back(desk, goes, 10, in_one=10)
    desk.turn()
    assert [moved(desk, each) for each in (stays, also_stays)] == [5, 5]


def test_more_than_a_window_of_them_is_given_at_once(desk: Desk) -> None:
    old, new = desk.hire(0), desk.hire(0)
    retire(desk, old)
    hand_back(desk, old, LEGACY + WINDOW, in_one=16)
    other = desk.hire(1)
    turns(desk, 2 * LEGACY // 16)
    assert moved(desk, new) == LEGACY
    desk.now += LOOK_AGAIN
    turns(desk, 2 * WINDOW // 16)
    assert (moved(desk, new), moved(desk, other)) == (WINDOW, 0)


def test_an_heir_that_has_no_room_or_is_stuck_leaves_them_to_others(desk: Desk) -> None:
    old, other = desk.hire(0), desk.hire(1)
    new = desk.hire(0, capacity=3)
    retire(desk, old)
    hand_back(desk, old, 5, in_one=5)
    desk.turn()
    assert moved(desk, other) == 2
    desk.now = STUCK_AFTER
    desk.turn()
    assert (moved(desk, new), moved(desk, other)) == (0, 3), "taken back, and still another's"


def test_they_wait_while_nobody_is_there_and_are_given_to_whoever_joins(desk: Desk) -> None:
    old = desk.hire(0)
    retire(desk, old)
    hand_back(desk, old, 3)
    turns(desk, 3)
    assert desk.selector.get_map().values() is not None
    new = desk.hire(1)
    turns(desk, 3)
    assert moved(desk, new) == 3


def test_one_message_of_a_lane_is_read_in_a_turn(desk: Desk) -> None:
    old, new = desk.hire(0), desk.hire(0)
    retire(desk, old)
    hand_back(desk, old, 12, in_one=4)
    desk.turn()
    assert moved(desk, new) == 4


def test_a_lane_is_not_read_while_connections_wait(desk: Desk) -> None:
    old, new = desk.hire(0), desk.hire(0)
    desk.connect(WINDOW + 1)
    for _ in range(4):
        desk.turn()  # no more than a window; the rest is left in the backlog, and one waits
    retire(desk, old)
    assert desk.serve(new) + desk.serve(old) == WINDOW + 1
    hand_back(desk, old, 2)
    turns(desk, 2)
    assert moved(desk, new) == 2


def test_nobody_is_heard_who_was_not_told_to_hand_back(desk: Desk) -> None:
    old, new = desk.hire(0), desk.hire(0)
    desk.acceptor.leave(old, desk.now)
    hand_back(desk, old, 1)
    turns(desk, 2)
    assert moved(desk, new) == 0


def test_what_a_dead_worker_had_handed_back_is_given_to_others(desk: Desk) -> None:
    old, new = desk.hire(0), desk.hire(0)
    retire(desk, old)
    hand_back(desk, old, 40, in_one=16)
    assert desk.acceptor.bury(old, desk.now) == 0
    assert moved(desk, new) == 40
    assert desk.answered() == 40


def test_a_worker_that_is_buried_in_the_same_turn_is_not_read_any_more(desk: Desk) -> None:
    old, new = desk.hire(0), desk.hire(0)
    retire(desk, old)
    hand_back(desk, old, 1)
    ready = desk.selector.select(0)
    desk.acceptor.bury(old, desk.now)
    old.close()
    for key, _ in ready:
        assert list(key.data(desk.now)) == []
    assert moved(desk, new) == 1


def test_at_the_stop_what_was_handed_back_is_for_those_that_drain(desk: Desk) -> None:
    old, new = desk.hire(0), desk.hire(0)
    retire(desk, old)
    hand_back(desk, old, 300, in_one=16)
    desk.acceptor.close(desk.now)
    assert moved(desk, new) == 300


def test_what_comes_after_the_stop_is_answered_503(desk: Desk) -> None:
    old, new = desk.hire(0), desk.hire(0)
    retire(desk, old)
    desk.acceptor.close(desk.now)
    desk.acceptor.leave(new, desk.now)
    hand_back(desk, old, 2)
    turns(desk, 2)
    for client in desk.clients:
        assert client.recv(100).startswith(b"HTTP/1.1 503 ")


def test_what_is_on_its_way_back_counts_as_open() -> None:
    with desk_of("rr", most=4) as desk:
        old, new = desk.hire(0), desk.hire(0)
        desk.connect(4)
        desk.turn()
        for child in (old, new):
            assert desk.serve(child) == 2
            desk.holds(child, 2)
        desk.connect(1)
        desk.acceptor.leave(old, desk.now)
        hand_back(desk, old, 2)
        desk.holds(old, 0)
        turns(desk, 2)
        assert desk.serve(new) == 0, "a fifth was accepted while two were in the lane"
        retire(desk, old)
        turns(desk, 2)
        desk.holds(new, 4)
        assert moved(desk, new) == 2
        turns(desk, 2)
        assert desk.serve(new) == 0, "a fifth was accepted"


@pytest.mark.parametrize("head", [b"\0", b"\x09\1\1", b"\0\0\1"])
def test_a_worker_that_hands_back_what_it_was_not_given_misbehaves(desk: Desk, head: bytes) -> None:
    old = desk.hire(0)
    desk.hire(0)
    retire(desk, old)
    assert old.kept is not None
    before = descriptors.opened()
    if head[-1] == 1 and head[1] == 0:
        old.kept.send(head)
    else:
        socket.send_fds(old.kept, [head], [old.kept.fileno()])
    (ready,) = desk.selector.select(0)
    assert list(ready[0].data(desk.now)) == [Misbehaved(old.id)]
    assert descriptors.opened() <= before  # others may be collected meanwhile


def test_it_waits_while_there_are_too_few_descriptors_to_receive_them(desk: Desk) -> None:
    old, new = desk.hire(0), desk.hire(0)
    retire(desk, old)
    hand_back(desk, old, 1)
    with used_up():
        turns(desk, 2)
    assert moved(desk, new) == 0
    desk.now += 1
    turns(desk, 2)
    assert moved(desk, new) == 1


def test_what_a_dead_worker_left_waits_for_descriptors_too(desk: Desk) -> None:
    old, new = desk.hire(0), desk.hire(0)
    retire(desk, old)
    hand_back(desk, old, 20, in_one=5)
    before = descriptors.count_open()
    with used_up():
        desk.acceptor.bury(old, desk.now)
        old.close()
    assert moved(desk, new) == 0
    desk.now += 1
    turns(desk, 2)
    assert moved(desk, new) == 20
    assert descriptors.count_open() == before - 3, "its channel, and both ends of its hand-over"


def test_a_worker_that_shuts_its_hand_over_is_blamed_and_others_get_its_share(desk: Desk) -> None:
    first, second = desk.hire(0), desk.hire(1)
    assert first.kept is not None
    first.kept.shutdown(socket.SHUT_RDWR)
    desk.connect(4)
    for key, _ in desk.selector.select(0):
        key.data(desk.now)
    assert desk.acceptor.check(desk.now) == [Misbehaved(first.id)]
    assert desk.acceptor.check(desk.now) == []
    desk.now += 2 * LOOK_AGAIN
    desk.turn()
    assert desk.serve(second) == 4
    desk.acceptor.bury(first, desk.now)  # and what is read at its end is no connection


@pytest.mark.parametrize("head", [b"", b"\0", b"\0\2\1", b"\0\xff\1", b"\0\1\1"])
def test_what_is_no_connection_is_closed_and_its_sender_misbehaves(desk: Desk, head: bytes) -> None:
    old = desk.hire(0)
    desk.hire(0)
    retire(desk, old)
    assert old.kept is not None
    before = descriptors.count_open()
    with open("/dev/null", "rb") as file:
        socket.send_fds(old.kept, [head], [file.fileno()])
    (ready,) = desk.selector.select(0)
    assert list(ready[0].data(desk.now)) == [Misbehaved(old.id)]
    assert descriptors.count_open() == before
