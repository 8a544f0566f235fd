"""Worn workers: replaced by one that serves first, one at a time."""

from tests.core.fleets import serving, tell

from prefork.core.facts import (
    Exited,
    Forked,
    Leaving,
    Overgrown,
    Proven,
    Ready,
    ReloadRequested,
    Worn,
)
from prefork.core.fleet import Fleet
from prefork.core.orders import Admit, AskToStop, Kill, Note, Order, Spawn
from prefork.core.process import Phase

FULL = "1000 requests (max_requests)"


def acts(orders: list[Order]) -> list[Order]:
    return [order for order in orders if not isinstance(order, Note)]


def arrive(fleet: Fleet, id: int, now: float) -> list[Order]:
    return acts(tell(fleet, now, Forked(id, 100 + id), Ready(id)))


def test_a_worn_worker_serves_until_its_successor_does() -> None:
    fleet = serving()
    note = Note(
        "info",
        "worker_recycled",
        (("slot", 0), ("pid", 102), ("generation", 1), ("reason", FULL)),
    )
    assert tell(fleet, 5, Worn(2, FULL)) == [note, Spawn(4, 0, 1, 1)]
    assert fleet.roster.processes[2].phase is Phase.LEAVING
    assert fleet.state == "serving"
    admit, stop = arrive(fleet, 4, 6)
    assert admit == Admit(4)
    assert isinstance(stop, AskToStop)
    assert stop.id == 2


def test_the_next_has_to_wait_until_the_last_one_is_gone() -> None:
    fleet = serving(3)
    tell(fleet, 5, Worn(2, FULL))
    assert tell(fleet, 5, Worn(3, FULL), Worn(4, FULL)) == []
    arrive(fleet, 5, 6)  # and 2 drains
    assert tell(fleet, 7, Worn(3, FULL)) == []  # told again
    assert acts(tell(fleet, 8, Exited(2, 0))) == [Spawn(6, 1, 1, 1)]  # the oldest first
    arrive(fleet, 6, 9)
    assert acts(tell(fleet, 10, Exited(3, 0))) == [Spawn(7, 2, 1, 1)]
    assert [slot.recycled for slot in fleet.roster.slots] == [1, 1, 1]
    assert [slot.restarts for slot in fleet.roster.slots] == [0, 0, 0]


def test_while_a_slot_is_empty_nobody_is_recycled() -> None:
    fleet = serving()
    assert acts(tell(fleet, 5, Exited(3, -9))) == [Spawn(4, 1, 1, 1)]
    assert tell(fleet, 5, Worn(2, FULL)) == []
    assert arrive(fleet, 4, 6) == [Admit(4), Spawn(5, 0, 1, 1)]


def test_a_reload_goes_first_and_takes_the_worn_along() -> None:
    fleet = serving(1)
    tell(fleet, 5, ReloadRequested())
    assert acts(tell(fleet, 5, Worn(2, FULL))) == []
    tell(fleet, 6, Forked(3, 103), Ready(3), Forked(4, 104), Ready(4))
    assert any(isinstance(order, AskToStop) for order in tell(fleet, 8, Proven(4)))
    assert Spawn not in map(type, tell(fleet, 9, Exited(2, 0)))
    assert [slot.recycled for slot in fleet.roster.slots] == [0]


def test_a_successor_that_dies_is_followed_and_the_worn_one_serves_on() -> None:
    fleet = serving()
    tell(fleet, 5, Worn(2, FULL), Forked(4, 104))
    assert acts(tell(fleet, 6, Exited(4, 1))) == []
    assert fleet.state == "serving"
    assert fleet.tick(fleet.next_deadline() or 0.0) == [Spawn(5, 0, 1, 1)]


def test_a_worn_worker_may_be_told_to_go_by_somebody_else_too() -> None:
    fleet = serving()
    tell(fleet, 5, Worn(2, FULL))
    assert tell(fleet, 5, Leaving(2)) == []
    assert [slot.restarts for slot in fleet.roster.slots] == [0, 0]


def test_one_that_dies_before_its_turn_is_forgotten() -> None:
    fleet = serving(3)
    tell(fleet, 5, Worn(2, FULL), Worn(3, FULL))
    arrive(fleet, 5, 6)
    tell(fleet, 6, Exited(3, -9))
    arrive(fleet, 6, 6)
    assert acts(tell(fleet, 7, Exited(2, 0))) == []
    assert tell(fleet, 8, Worn(3, FULL)) == []  # it crossed the exit


def test_one_that_grows_beyond_measure_is_killed_at_once() -> None:
    fleet = serving()
    reason = "took 900 MiB of memory (max_memory_hard)"
    (kill,) = acts(tell(fleet, 5, Overgrown(2, reason)))
    assert isinstance(kill, Kill)
    assert (kill.id, kill.reason) == (2, reason)
    assert acts(tell(fleet, 6, Exited(2, -9))) == [Spawn(4, 0, 1, 1)]
    assert [slot.restarts for slot in fleet.roster.slots] == [1, 0]
