"""A first start that fails while somebody edits the code: wait for the next change."""

from dataclasses import replace

import pytest
from tests.core.fleets import plan, tell

from prefork.core.facts import (
    Declined,
    Exited,
    Failed,
    Forked,
    LeftRotation,
    Proven,
    Ready,
    ReloadRequested,
    Stage,
    StopRequested,
)
from prefork.core.fleet import Fleet
from prefork.core.orders import (
    Admit,
    AnnounceReady,
    AskToStop,
    Finish,
    Note,
    Order,
    ReloadState,
    Spawn,
    StartTemplate,
    TellReload,
)
from prefork.core.removal import HURRY
from prefork.errors import ExitCode


def acts(orders: list[Order]) -> list[Order]:
    return [order for order in orders if not isinstance(order, Note | TellReload)]


def told(orders: list[Order]) -> list[tuple[ReloadState, int]]:
    """The reload's state and generation, each time it was told."""
    return [(o.status.state, o.status.generation) for o in orders if isinstance(o, TellReload)]


def waiting(workers: int = 1) -> Fleet:
    """A fleet whose first template raised at its import."""
    fleet = Fleet(replace(plan(workers), waits_for_code=True))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Failed(1, Stage.IMPORT, "broken", "Traceback"))
    assert acts(tell(fleet, 1, Exited(1, 3))) == []
    assert fleet.is_waiting_for_code
    return fleet


def test_nothing_is_started_until_the_code_has_changed() -> None:
    fleet = waiting()
    assert fleet.next_deadline() is None
    assert fleet.state == "waiting"
    assert acts(tell(fleet, 60, ReloadRequested())) == [StartTemplate(2, 2, loaded=True)]
    assert fleet.state == "starting"
    assert tell(fleet, 60, Forked(2, 102), Ready(2)) == [Spawn(3, 0, 2, 2)]
    assert acts(tell(fleet, 60, Forked(3, 103), Ready(3))) == [Admit(3), AnnounceReady()]
    assert (fleet.state, fleet.generation.number) == ("serving", 2)


def test_whoever_waits_for_the_reload_is_told_how_the_new_start_went() -> None:
    fleet = waiting()
    orders = tell(fleet, 1, ReloadRequested(), Forked(2, 102))
    assert told(orders) == [(ReloadState.RUNNING, 2)]
    orders = tell(fleet, 2, Failed(2, Stage.IMPORT, "still broken", "Traceback"), Exited(2, 3))
    assert told(orders) == [(ReloadState.FAILED, 2)]
    assert fleet.reload is not None
    assert (fleet.reload.reason, fleet.reload.detail) == ("still broken", "Traceback")
    assert fleet.state == "waiting"
    orders = tell(fleet, 3, ReloadRequested(), Forked(3, 103), Ready(3), Forked(4, 104), Ready(4))
    assert told(orders)[0] == (ReloadState.RUNNING, 3)
    assert told(orders)[-1] == (ReloadState.SUCCEEDED, 3)


def test_the_traceback_is_told_at_once() -> None:
    fleet = Fleet(replace(plan(1), waits_for_code=True))
    fleet.start(0)
    (note,) = tell(fleet, 0, Forked(1, 101), Failed(1, Stage.IMPORT, "broken", "Traceback"))
    assert isinstance(note, Note)
    assert note.level == "error"
    assert dict(note.fields)["detail"] == "Traceback"


def test_a_change_during_the_first_start_begins_it_anew() -> None:
    fleet = Fleet(replace(plan(1), waits_for_code=True))
    fleet.start(0)
    orders = acts(tell(fleet, 0, Forked(1, 101), ReloadRequested()))
    assert orders == [StartTemplate(2, 2, loaded=True), AskToStop(1, HURRY)]  # it may hang
    assert acts(tell(fleet, 0, Exited(1, -15))) == []
    tell(fleet, 1, Forked(2, 102), Ready(2), Forked(3, 103))
    assert acts(tell(fleet, 1, Ready(3))) == [Admit(3), AnnounceReady()]  # and no reload after it


def test_a_change_during_a_reload_that_moved_nothing_takes_its_place() -> None:
    fleet = Fleet(replace(plan(1), waits_for_code=True))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Ready(1), Forked(2, 102), Ready(2))
    tell(fleet, 1, ReloadRequested(), Forked(3, 103))  # its import never ends
    orders = tell(fleet, 5, ReloadRequested())
    assert told(orders) == [(ReloadState.CANCELLED, 2), (ReloadState.RUNNING, 3)]
    assert acts(orders) == [StartTemplate(4, 3, loaded=True), AskToStop(3, HURRY)]
    tell(fleet, 5, Exited(3, -15), Forked(4, 104), Ready(4), Forked(5, 105), Ready(5))
    orders = tell(fleet, 9, Proven(5))
    assert Admit(5) in orders
    tell(fleet, 9, LeftRotation(2))
    assert fleet.reload is not None
    assert (fleet.reload.state, fleet.reload.generation) == (ReloadState.SUCCEEDED, 3)


def test_in_production_a_reload_is_never_overtaken() -> None:
    fleet = Fleet(plan(1))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Ready(1), Forked(2, 102), Ready(2))
    tell(fleet, 1, ReloadRequested(), Forked(3, 103))
    assert tell(fleet, 5, ReloadRequested()) == []


def test_a_startup_that_fails_is_tried_with_new_code_only() -> None:
    fleet = Fleet(replace(plan(2), waits_for_code=True))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Ready(1), Forked(2, 102), Forked(3, 103))
    tell(fleet, 0, Failed(2, Stage.STARTUP, "no database"))
    assert acts(tell(fleet, 0, Exited(2, 4))) == []
    orders = acts(tell(fleet, 5, ReloadRequested()))
    assert AskToStop(3, HURRY) in orders  # it still starts, with the old code
    assert StartTemplate(4, 2, loaded=True) in orders
    assert tell(fleet, 5, Exited(3, 0)) == [AskToStop(1, 0.0)]  # the old template
    assert tell(fleet, 5, Forked(4, 104), Ready(4)) == [Spawn(5, 0, 2, 4), Spawn(6, 1, 2, 4)]


def test_a_worker_that_starts_after_another_failed_ends_the_waiting() -> None:
    fleet = Fleet(replace(plan(2), waits_for_code=True))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Ready(1), Forked(2, 102), Forked(3, 103))
    tell(fleet, 0, Failed(2, Stage.STARTUP, "no luck"), Exited(2, 4))
    assert fleet.is_waiting_for_code
    orders = tell(fleet, 1, Ready(3))
    assert Admit(3) in orders
    assert Spawn(4, 0, 1, 1) in orders
    assert not fleet.is_waiting_for_code


def test_deaths_without_a_word_are_waited_for_too() -> None:
    fleet = Fleet(replace(plan(1), waits_for_code=True))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Ready(1))
    for number in range(2, 5):
        due = fleet.next_deadline()
        assert due is not None
        fleet.tick(due if number > 2 else 0)
        tell(fleet, due, Forked(number, 100 + number), Exited(number, 1))
    assert fleet.is_waiting_for_code
    assert fleet.next_deadline() is None


def test_without_leave_to_wait_the_fleet_ends_as_ever() -> None:
    fleet = Fleet(plan(1))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Failed(1, Stage.IMPORT, "broken"))
    assert Finish(ExitCode.APP_IMPORT) in tell(fleet, 1, Exited(1, 3))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_stop_ends_the_waiting(workers: int) -> None:
    fleet = waiting(workers)
    assert Finish(ExitCode.OK) in tell(fleet, 9, StopRequested())


def test_a_generation_knows_why_it_is_not_forked_after_the_import() -> None:
    fleet = Fleet(plan(1))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Declined(1, ("a thread",)))
    assert fleet.generation.declined == ("a thread",)
    assert fleet.has_templates
