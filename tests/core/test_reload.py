"""Rolling reloads, one situation at a time."""

from dataclasses import replace

from tests.core.fleets import plan, serving, tell

from prefork.core.facts import (
    Declined,
    Exited,
    Failed,
    Forked,
    Leaving,
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
    CloseListeners,
    Kill,
    Note,
    Order,
    ReloadState,
    Spawn,
    StartTemplate,
    TellReload,
)
from prefork.core.process import Phase
from prefork.core.removal import HURRY

TRIAL = 1.0  # seconds, as in the plan


def acts(orders: list[Order]) -> list[Order]:
    """What is done, without what is said of it."""
    return [order for order in orders if not isinstance(order, Note | TellReload)]


def told(orders: list[Order]) -> list[tuple[ReloadState, int]]:
    """The reload's state and how many slots have moved, each time it was told."""
    return [(o.status.state, o.status.moved) for o in orders if isinstance(o, TellReload)]


def begin(fleet: Fleet, template: int, now: float = 0.0) -> list[Order]:
    """Request a reload, and have its template, which must get this id, load."""
    orders = acts(tell(fleet, now, ReloadRequested()))
    generation = fleet.reload.generation if fleet.reload else 0
    assert orders == [StartTemplate(template, generation, loaded=True)]
    return acts(tell(fleet, now, Forked(template, 100 + template), Ready(template)))


def born(fleet: Fleet, id: int, now: float) -> list[Order]:
    return acts(tell(fleet, now, Forked(id, 100 + id), Ready(id)))


def state(fleet: Fleet) -> ReloadState:
    assert fleet.reload is not None
    return fleet.reload.state


def reason(fleet: Fleet) -> str:
    assert fleet.reload is not None
    return fleet.reload.reason


# -- what goes well ----------------------------------------------------------


def test_slots_move_one_after_another_and_the_old_template_goes_last() -> None:
    fleet = serving(2)
    assert begin(fleet, 4) == [Spawn(5, 0, 2, template=4)]
    assert born(fleet, 5, 0) == []
    orders = tell(fleet, TRIAL, Proven(5))
    assert acts(orders) == [Admit(5), AskToStop(2, 30.0, True), Spawn(6, 1, 2, template=4)]
    assert told(orders) == [(ReloadState.RUNNING, 1)]
    assert born(fleet, 6, 2) == []
    orders = tell(fleet, 2 + TRIAL, Proven(6))
    assert acts(orders) == [Admit(6), AskToStop(3, 30.0, True)]
    assert told(orders) == [(ReloadState.RUNNING, 2)]
    assert tell(fleet, 3, LeftRotation(2)) == []
    assert told(tell(fleet, 3, LeftRotation(3))) == [(ReloadState.SUCCEEDED, 2)]
    assert fleet.generation.number == 2
    assert tell(fleet, 4, Exited(2, 0)) == []
    assert tell(fleet, 4, Exited(3, 0)) == [AskToStop(1, 0.0)]
    assert tell(fleet, 4, Exited(1, 0)) == []
    assert fleet.state == "serving"


def test_a_worker_on_trial_is_admitted_when_its_loop_has_turned_for_long_enough() -> None:
    fleet = serving(2)
    begin(fleet, 4)
    born(fleet, 5, 0.5)
    assert fleet.tick(0.5 + 2 * TRIAL) == []
    assert fleet.roster.processes[5].phase is Phase.READY
    assert acts(tell(fleet, 3, Proven(5)))[0] == Admit(5)


def test_a_quarter_of_the_workers_moves_at_a_time_after_the_first() -> None:
    fleet = serving(8)
    assert begin(fleet, 10) == [Spawn(11, 0, 2, 10)]
    born(fleet, 11, 0)
    orders = acts(tell(fleet, TRIAL, Proven(11)))
    assert orders == [Admit(11), AskToStop(2, 30.0, True), Spawn(12, 1, 2, 10), Spawn(13, 2, 2, 10)]


def test_the_number_that_moves_at_a_time_can_be_set() -> None:
    fleet = Fleet(replace(plan(3), reload_parallel=3))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Ready(1))
    for id in (2, 3, 4):
        born(fleet, id, 0)
    begin(fleet, 5)
    born(fleet, 6, 0)
    assert acts(tell(fleet, TRIAL, Proven(6)))[2:] == [Spawn(7, 1, 2, 5), Spawn(8, 2, 2, 5)]


def test_requests_during_a_reload_make_one_more() -> None:
    fleet = serving(1)
    begin(fleet, 3)
    assert fleet.next_generation == 3
    assert tell(fleet, 0, *[ReloadRequested()] * 5) == []
    born(fleet, 4, 0)
    assert acts(tell(fleet, TRIAL, Proven(4))) == [Admit(4), AskToStop(2, 30.0, True)]
    orders = tell(fleet, 2, Exited(2, 0))
    assert told(orders) == [(ReloadState.SUCCEEDED, 1), (ReloadState.RUNNING, 0)]
    assert acts(orders) == [StartTemplate(5, 3, loaded=True), AskToStop(1, 0.0)]
    tell(fleet, 2, Forked(5, 105), Ready(5))
    born(fleet, 6, 2)
    tell(fleet, 2 + TRIAL, Proven(6))
    assert told(tell(fleet, 4, LeftRotation(4))) == [(ReloadState.SUCCEEDED, 1)]


def test_a_request_before_anything_serves_waits_until_then() -> None:
    fleet = Fleet(plan(1))
    fleet.start(0)
    assert tell(fleet, 0, ReloadRequested(), Forked(1, 101), Ready(1)) == [Spawn(2, 0, 1, 1)]
    assert born(fleet, 2, 0) == [Admit(2), StartTemplate(3, 2, loaded=True), AnnounceReady()]


def test_a_slot_that_still_drains_is_moved_when_it_is_done() -> None:
    fleet = serving(1)
    begin(fleet, 3)
    born(fleet, 4, 0)
    tell(fleet, TRIAL, Proven(4))
    tell(fleet, 1, LeftRotation(2))
    assert begin(fleet, 5, now=2) == []
    assert tell(fleet, 3, Exited(2, 0)) == [Spawn(6, 0, 3, 5), AskToStop(1, 0.0)]


def test_a_template_that_declines_is_followed_by_an_empty_one() -> None:
    fleet = serving(1)
    tell(fleet, 0, ReloadRequested(), Forked(3, 103))
    assert acts(tell(fleet, 0, Declined(3))) == [StartTemplate(4, 2, loaded=False)]
    assert tell(fleet, 0, Exited(3, 0)) == []
    assert acts(tell(fleet, 0, Forked(4, 104), Ready(4))) == [Spawn(5, 0, 2, 4)]


def test_without_a_subreaper_workers_are_forked_directly() -> None:
    fleet = Fleet(plan(1, templates=False))
    fleet.start(0)
    born(fleet, 1, 0)
    assert acts(tell(fleet, 0, ReloadRequested(), Forked(2, 102))) == [Spawn(2, 0, 2, None)]
    tell(fleet, 0, Ready(2), Proven(2))
    assert told(tell(fleet, 2, Exited(1, 0))) == [(ReloadState.SUCCEEDED, 1)]


# -- supervision goes on meanwhile -------------------------------------------


def test_an_old_worker_that_dies_meanwhile_is_replaced_from_the_old_template() -> None:
    fleet = serving(2)
    tell(fleet, 5, ReloadRequested())
    assert acts(tell(fleet, 6, Exited(3, -9))) == [Spawn(5, 1, 1, template=1)]
    assert born(fleet, 5, 6) == [Admit(5)]


def test_empty_slots_are_filled_with_new_code_first() -> None:
    fleet = serving(3)
    tell(fleet, 0, ReloadRequested(), Exited(1, -9), Exited(4, -9))  # no old template, no worker 2
    assert acts(tell(fleet, 0, Forked(5, 105), Ready(5))) == [Spawn(6, 2, 2, 5)]


def test_whoever_is_ready_is_admitted_where_nothing_else_serves() -> None:
    fleet = serving(1)
    begin(fleet, 3)
    born(fleet, 4, 0)
    assert acts(tell(fleet, 0.1, Exited(2, -9))) == [Admit(4), AskToStop(1, 0.0)]


# -- what fails --------------------------------------------------------------


def test_an_import_that_fails_changes_nothing_and_says_why() -> None:
    fleet = serving(2)
    tell(fleet, 0, ReloadRequested(), Forked(4, 104))
    tell(fleet, 0, Failed(4, Stage.IMPORT, "no module named x", "Traceback …"))
    orders = tell(fleet, 0, Exited(4, 3))
    assert acts(orders) == []
    assert told(orders) == [(ReloadState.FAILED, 0)]
    assert fleet.reload is not None
    assert (fleet.reload.reason, fleet.reload.detail) == ("no module named x", "Traceback …")
    assert fleet.state == "serving"
    assert fleet.next_deadline() is None


def test_an_import_that_hangs_is_killed_and_named() -> None:
    fleet = serving(1)
    tell(fleet, 0, ReloadRequested(), Forked(3, 103))
    assert acts(fleet.tick(10)) == [Kill(3)]
    tell(fleet, 10, Exited(3, -9))
    assert reason(fleet) == "the template was not ready within 10 s (start_timeout)"


def test_a_startup_that_fails_ends_the_reload_at_once() -> None:
    fleet = serving(2)
    begin(fleet, 4)
    tell(fleet, 0, Forked(5, 105), Failed(5, Stage.STARTUP, "no database"))
    assert acts(tell(fleet, 1, Exited(5, 4))) == [AskToStop(4, 0.0)]
    assert reason(fleet) == "no database"


def test_a_death_on_trial_puts_the_slots_that_moved_back() -> None:
    fleet = serving(2)
    begin(fleet, 4)
    born(fleet, 5, 0)
    tell(fleet, TRIAL, Proven(5))
    tell(fleet, 1, Exited(2, 0))
    born(fleet, 6, 2)
    orders = acts(tell(fleet, 2.5, Exited(6, 1)))
    assert orders == [Spawn(7, 0, 1, template=1)]
    assert reason(fleet) == "worker 1 exited with code 1 0.5 s after it was ready"
    assert born(fleet, 7, 3) == [Admit(7), AskToStop(5, 30.0, True)]
    assert tell(fleet, 4, Exited(5, 0)) == [AskToStop(4, 0.0)]
    assert fleet.generation.number == 1
    assert fleet.state == "serving"


def test_new_code_that_dies_after_its_trial_has_failed_too() -> None:
    fleet = serving(2)
    begin(fleet, 4)
    born(fleet, 5, 0)
    tell(fleet, TRIAL, Proven(5))
    orders = acts(tell(fleet, 1.5, Exited(5, 7)))
    assert orders == [AskToStop(6, HURRY), Spawn(7, 0, 1, 1)]
    assert reason(fleet) == "worker 0 exited with code 7 1.5 s after it was ready"


def test_a_worker_that_asks_to_leave_on_trial_speaks_against_its_code() -> None:
    fleet = serving(1)
    begin(fleet, 3)
    born(fleet, 4, 0)
    assert tell(fleet, 0.1, Leaving(4)) == [AskToStop(4, HURRY)]
    tell(fleet, 0.2, Exited(4, 0))
    assert reason(fleet) == "worker 0 asked to leave during its trial"


def test_a_loop_that_does_not_turn_fails_the_trial() -> None:
    fleet = serving(1)
    begin(fleet, 3)
    born(fleet, 4, 0)
    assert acts(fleet.tick(TRIAL + 10)) == [Kill(4)]
    tell(fleet, 12, Exited(4, -9))
    assert reason(fleet) == "worker 0 did not come through its trial: its event loop is blocked"


def test_why_a_worker_could_not_be_forked_is_told() -> None:
    fleet = serving(1)
    begin(fleet, 3)
    tell(fleet, 0, Exited(4, 1, "too many open files"))
    assert reason(fleet) == "worker 0 could not be forked: too many open files"


def test_slots_go_back_as_many_at_a_time_as_they_moved() -> None:
    fleet = serving(8)
    begin(fleet, 10)
    born(fleet, 11, 0)
    tell(fleet, TRIAL, Proven(11))
    for id in (12, 13):
        born(fleet, id, 1)
    tell(fleet, 2, Proven(12), Proven(13))
    orders = acts(tell(fleet, 2, Exited(13, 1)))
    assert [o for o in orders if isinstance(o, Spawn)] == [
        Spawn(16, 2, 1, 1),  # it is empty
        Spawn(17, 0, 1, 1),
        Spawn(18, 1, 1, 1),
    ]


def test_workers_that_were_starting_go_when_another_fails() -> None:
    fleet = serving(8)
    begin(fleet, 10)
    born(fleet, 11, 0)
    tell(fleet, TRIAL, Proven(11))
    tell(fleet, 2, Forked(12, 112), Forked(13, 113))
    orders = acts(tell(fleet, 2, Exited(12, -11)))
    assert orders == [AskToStop(13, HURRY), Spawn(14, 0, 1, 1)]
    assert reason(fleet) == "worker 1 died of signal 11 before it was ready"


def test_a_template_that_dies_fails_the_reload() -> None:
    fleet = serving(1)
    begin(fleet, 3)
    born(fleet, 4, 0)
    orders = acts(tell(fleet, 0.5, Exited(3, -9)))
    assert orders == [AskToStop(4, HURRY)]
    assert reason(fleet) == "the template died of signal 9 0.5 s after it was ready"


def test_without_preload_slots_that_moved_stay_and_it_is_said() -> None:
    fleet = serving(2, preload=False)
    tell(fleet, 0, ReloadRequested(), Forked(4, 104), Ready(4))
    born(fleet, 5, 0)
    tell(fleet, TRIAL, Proven(5))
    tell(fleet, 2, Forked(6, 106), Failed(6, Stage.IMPORT, "broken"))
    assert acts(tell(fleet, 2, Exited(6, 3))) == []
    assert fleet.reload is not None
    assert (fleet.reload.moved, fleet.reload.reason) == (1, "broken")
    assert acts(tell(fleet, 4, Exited(3, -9))) == [Spawn(7, 1, 2, template=4)]


def test_without_preload_a_slot_that_lost_its_new_worker_loads_the_disk_under_the_new_number() -> (
    None
):
    fleet = serving(2, preload=False)
    tell(fleet, 0, ReloadRequested(), Forked(4, 104), Ready(4))
    born(fleet, 5, 0)
    tell(fleet, TRIAL, Proven(5), Forked(6, 106))
    orders = acts(tell(fleet, 1.5, Exited(5, 7)))
    assert orders == [AskToStop(6, HURRY), Spawn(7, 0, 2, template=4)]
    assert fleet.reload is not None
    assert (fleet.reload.state, fleet.reload.moved) == (ReloadState.FAILED, 1)


def test_new_code_that_is_all_that_is_left_may_die_and_the_fleet_lives() -> None:
    fleet = serving(1, preload=False)
    tell(fleet, 0, ReloadRequested(), Forked(3, 103), Ready(3), Forked(4, 104))
    tell(fleet, 0.1, Exited(2, -9), Failed(4, Stage.IMPORT, "broken"))
    assert acts(tell(fleet, 0.1, Exited(4, 3))) == [AskToStop(1, 0.0)]
    tell(fleet, 0.1, Exited(1, 0))
    (slot,) = fleet.roster.slots
    for id in range(5, 10):
        assert acts(fleet.tick(fleet.next_deadline() or 0.0)) == [Spawn(id, 0, 2, template=3)]
        tell(fleet, 1, Forked(id, 100 + id), Failed(id, Stage.IMPORT, "broken"))
        assert CloseListeners() not in tell(fleet, 1, Exited(id, 3))
    assert fleet.state == "degraded"
    assert slot.restarts == 6  # the elder, and five that nobody tried out


def test_the_next_good_reload_works() -> None:
    fleet = serving(1)
    begin(fleet, 3)
    tell(fleet, 0, Exited(4, 1), Exited(3, 0))
    assert begin(fleet, 5, now=1) == [Spawn(6, 0, 3, 5)]
    born(fleet, 6, 1)
    tell(fleet, 1 + TRIAL, Proven(6))
    assert told(tell(fleet, 2, LeftRotation(2))) == [(ReloadState.SUCCEEDED, 1)]
    assert fleet.generation.number == 3


def test_a_stop_cancels_it() -> None:
    fleet = serving(1)
    begin(fleet, 3)
    orders = tell(fleet, 1, ReloadRequested(), StopRequested())
    assert told(orders) == [(ReloadState.CANCELLED, 0)]
    assert acts(orders) == [CloseListeners(), AskToStop(2, 30.0), AskToStop(4, 30.0)]
    assert tell(fleet, 2, ReloadRequested()) == []
