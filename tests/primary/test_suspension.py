"""A worker that is suspended gets nothing, under any policy, and gets its share when it is back."""

import pytest
from tests.primary.desk import desk_of
from tests.primary.test_acceptor_policies import spread

GIVEN = ["rr", "least", "hash"]  # by the primary


@pytest.mark.parametrize("policy", GIVEN)
def test_what_it_has_not_taken_goes_to_others_and_so_does_what_comes(policy: str) -> None:
    with desk_of(policy) as desk:
        hanging, other = desk.hire(), desk.hire()
        spread(desk, 15)
        desk.turn()
        desk.acceptor.suspend(hanging, desk.now)
        spread(desk, 15)
        desk.turn()
        assert (desk.serve(hanging), desk.serve(other)) == (0, 30)
        assert desk.answered() == 30


@pytest.mark.parametrize("policy", GIVEN)
def test_when_it_is_back_it_gets_its_share(policy: str) -> None:
    with desk_of(policy) as desk:
        hanging, other = desk.hire(), desk.hire()
        spread(desk, 4)
        desk.turn()
        taken = desk.serve(hanging)
        desk.acceptor.suspend(hanging, desk.now)
        desk.acceptor.join(hanging, desk.now)
        spread(desk, 40)
        desk.turn()
        desk.turn()
        assert desk.serve(hanging) >= 10
        assert desk.serve(other) >= 10
        assert taken <= 4


def test_the_queue_of_its_slot_is_the_primarys_meanwhile() -> None:
    with desk_of("reuseport") as desk:
        hanging, other = desk.hire(), desk.hire()
        spread(desk, 30)
        desk.acceptor.suspend(hanging, desk.now)
        desk.turn()
        assert desk.serve(hanging) == 0
        assert desk.serve(other) + desk.accept(other) == 30


def test_where_all_are_suspended_connections_wait_for_the_first_that_is_back() -> None:
    with desk_of("rr") as desk:
        workers = [desk.hire(), desk.hire()]
        desk.connect(10)
        desk.turn()
        for each in workers:
            desk.acceptor.suspend(each, desk.now)
        desk.connect(10)
        desk.turn()
        assert [desk.serve(each) for each in workers] == [0, 0]
        desk.acceptor.join(workers[1], desk.now)
        desk.turn()
        assert desk.serve(workers[1]) == 20


def test_a_worker_that_never_joined_may_be_suspended_all_the_same() -> None:
    with desk_of("rr") as desk:
        desk.acceptor.suspend(desk.spawn(), desk.now)
        assert desk.acceptor.next_check() is None
