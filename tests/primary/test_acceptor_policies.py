"""Who accepts from which listener under each policy, and whom the primary gives what it has."""

import os
import select
import socket
from pathlib import Path

import pytest
from tests.primary.desk import LOOPBACK, Desk, desk_of

from prefork.policy.ledger import STUCK_AFTER
from prefork.primary.children import Child
from prefork.settings.address import UnixAddress
from prefork.wire import handover
from prefork.wire.board import Field


def spread(desk: Desk, count: int) -> None:
    """Connect from many addresses, so that the kernel's hash reaches every listener."""
    for number in range(count):
        desk.connect(1, f"127.0.1.{1 + number}")


def test_least_gives_to_whom_the_board_says_to_have_fewest() -> None:
    with desk_of("least") as desk:
        busy = desk.hire()
        desk.connect(20)
        desk.turn()
        desk.board.line(busy.line)[Field.CONNECTIONS] = desk.serve(busy)
        idle = desk.hire()
        desk.connect(20)
        desk.turn()
        assert [desk.serve(busy), desk.serve(idle)] == [0, 20]
        desk.board.line(idle.line)[Field.CONNECTIONS] = 18  # two of them were closed
        desk.connect(4)
        desk.turn()
        assert [desk.serve(busy), desk.serve(idle)] == [1, 3]


@pytest.mark.parametrize("policy", ["rr", "least", "hash", "shared", "reuseport"])
def test_at_the_end_all_that_is_left_is_given_beyond_every_window(policy: str) -> None:
    with desk_of(policy) as desk:
        worker = desk.hire(capacity=3)
        desk.hire(slot=1)
        desk.acceptor.leave(desk.children[1], desk.now)
        spread(desk, 100)
        desk.acceptor.close(desk.now)
        assert desk.serve(worker) == 100


def test_hash_gives_an_address_to_one_worker_whatever_the_port() -> None:
    with desk_of("hash") as desk:
        workers = [desk.hire() for _ in range(4)]
        for number in range(8):
            desk.connect(5, f"127.0.0.{1 + number}")
            desk.turn()
            assert sorted(desk.serve(worker) for worker in workers) == [0, 0, 0, 5]


def test_hash_remembers_the_client_of_what_it_takes_back() -> None:
    """Eight connections of one address go from a dead worker to one other, not to each in turn."""
    with desk_of("hash") as desk:
        workers = [desk.hire() for _ in range(4)]
        desk.connect(8, "127.0.0.9")
        desk.turn()
        (owner,) = [worker for worker in workers if waits_for(worker)]
        desk.acceptor.bury(owner, desk.now)
        assert sorted(desk.serve(worker) for worker in workers if worker is not owner) == [0, 0, 8]


def test_what_is_taken_back_of_a_client_that_is_gone_is_no_error() -> None:
    with desk_of("hash") as desk:
        workers = [desk.hire() for _ in range(2)]
        desk.connect(1, "127.0.0.9")
        desk.turn()
        (gone,) = desk.clients
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # it resets
        gone.close()
        (owner,) = [worker for worker in workers if waits_for(worker)]
        desk.now = STUCK_AFTER
        desk.turn()
        (other,) = [worker for worker in workers if worker is not owner]
        assert waits_for(other)


def waits_for(child: Child) -> bool:
    """Whether something was handed over to the worker that it has not taken."""
    assert child.kept is not None
    return bool(select.select([child.kept], [], [], 0)[0])


def test_hash_serves_unix_sockets_in_turn(tmp_path: Path) -> None:
    path = UnixAddress(str(tmp_path / "web.sock"))
    with desk_of("hash", LOOPBACK, path) as desk:
        workers = [desk.hire() for _ in range(3)]
        desk.connect(6, address=path)
        desk.turn()
        assert [desk.serve(worker) for worker in workers] == [2, 2, 2]


def test_a_connection_arrives_with_the_number_of_its_address(tmp_path: Path) -> None:
    path = UnixAddress(str(tmp_path / "web.sock"))
    with desk_of("reuseport", LOOPBACK, path) as desk:
        worker = desk.hire()
        desk.hire(slot=1)  # adds a listener, which is no address
        desk.acceptor.leave(desk.children[1], desk.now)
        desk.connect(1, address=path)
        desk.acceptor.close(desk.now)
        assert worker.kept is not None
        batch = handover.receive(worker.kept)
        assert batch is not None
        assert batch.address == 1
        os.close(batch.descriptors[0])


def test_shared_leaves_everything_to_the_workers_until_the_end() -> None:
    with desk_of("shared") as desk:
        one, other = desk.hire(), desk.hire()
        desk.connect(10)
        desk.turn()
        assert [desk.serve(one), desk.serve(other)] == [0, 0]
        assert [desk.accept(one), desk.accept(other)] == [10, 0]


def test_reuseport_gives_each_slot_a_listener_that_its_successors_inherit() -> None:
    with desk_of("reuseport") as desk:
        workers = [desk.hire() for _ in range(3)]
        before = [desk.own(worker) for worker in workers]
        assert len({listener.sock for (listener,) in before}) == 3
        desk.acceptor.bury(workers[1], desk.now)
        assert desk.own(desk.hire(slot=1)) == before[1]


def test_reuseport_leaves_the_queues_of_filled_slots_to_their_workers() -> None:
    with desk_of("reuseport") as desk:
        workers = [desk.hire() for _ in range(3)]
        spread(desk, 60)
        desk.turn()
        assert [desk.serve(worker) for worker in workers] == [0, 0, 0]
        accepted = [desk.accept(worker) for worker in workers]
        assert sum(accepted) == desk.answered() == 60
        assert all(accepted)


@pytest.mark.parametrize("end", ["it dies", "it is told to stop"])
def test_reuseport_gives_the_queue_of_an_empty_slot_to_the_others_in_turn(end: str) -> None:
    with desk_of("reuseport") as desk:
        workers = [desk.hire() for _ in range(3)]
        spread(desk, 60)
        left = workers[0], workers[2]
        if end == "it dies":
            desk.acceptor.bury(workers[1], desk.now)
        else:
            desk.acceptor.leave(workers[1], desk.now)
        desk.turn()
        given = [desk.serve(worker) for worker in left]
        assert sum(given) > 5
        assert max(given) - min(given) <= 1
        assert sum(given) + sum(desk.accept(worker) for worker in left) == desk.answered() == 60


def test_reuseport_serves_the_queue_of_a_slot_without_worker_and_lets_go_of_it_when_one_comes() -> (
    None
):
    with desk_of("reuseport") as desk:
        first, second = desk.hire(), desk.hire()
        spread(desk, 40)
        desk.acceptor.bury(second, desk.now)
        desk.turn()
        given = desk.serve(first)
        assert given > 5
        desk.acceptor.join(desk.spawn(slot=1), desk.now)
        spread(desk, 40)
        desk.turn()
        assert desk.serve(first) == 0
        assert given + sum(desk.accept(each) for each in (first, desk.children[2])) == 80


def test_reuseport_lets_old_and_new_worker_of_a_slot_accept_until_the_old_one_stops() -> None:
    with desk_of("reuseport") as desk:
        old = desk.hire()
        new = desk.hire(slot=0)
        assert desk.own(old) == desk.own(new)
        desk.acceptor.leave(old, desk.now)
        assert not desk.selector.get_map(), "the slot is filled"
        desk.acceptor.leave(new, desk.now)
        assert not desk.selector.get_map(), "there is nobody to give to"
        desk.connect(3)
        other = desk.hire(slot=1)
        desk.turn()
        assert desk.serve(other) + desk.accept(other) == 3


def test_under_reuseport_a_unix_socket_is_accepted_by_all_workers(tmp_path: Path) -> None:
    path = UnixAddress(str(tmp_path / "web.sock"))
    with desk_of("reuseport", LOOPBACK, path) as desk:
        one, other = desk.hire(), desk.hire()
        assert [listener.address for listener in desk.own(one)] == [0, 1]
        (shared,) = {each.sock for each in desk.own(one)} & {each.sock for each in desk.own(other)}
        assert shared.family == socket.AF_UNIX
        desk.connect(4, address=path)
        desk.turn()
        assert desk.serve(one) == desk.serve(other) == 0
        assert desk.accept(other) == 4
