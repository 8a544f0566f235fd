"""What a fleet orders, one situation at a time."""

import pytest
from tests.core.fleets import plan, serving, tell

from prefork.core.facts import (
    Declined,
    Exited,
    Failed,
    Forked,
    Leaving,
    LeftRotation,
    Misbehaved,
    QuitRequested,
    Ready,
    ScaleRequested,
    Stage,
    StopRequested,
)
from prefork.core.fleet import Fleet
from prefork.core.orders import (
    Admit,
    AnnounceReady,
    AskToStop,
    CloseListeners,
    Finish,
    Kill,
    Note,
    Order,
    Spawn,
    StartTemplate,
)
from prefork.core.process import Phase
from prefork.core.removal import HURRY, KILL_GRACE
from prefork.errors import ExitCode


def without_notes(orders: list[Order]) -> list[Order]:
    return [order for order in orders if not isinstance(order, Note)]


# -- start -------------------------------------------------------------------


def test_workers_are_spawned_when_the_template_has_loaded() -> None:
    fleet = Fleet(plan(2))
    assert fleet.start(0) == [StartTemplate(1, 1, loaded=True)]
    assert tell(fleet, 1, Forked(1, 101)) == []
    assert tell(fleet, 2, Ready(1)) == [Spawn(2, 0, 1, 1), Spawn(3, 1, 1, 1)]
    assert fleet.state == "starting"


def test_readiness_is_announced_once_when_every_slot_serves() -> None:
    fleet = Fleet(plan(2))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Ready(1), Forked(2, 102), Forked(3, 103))
    assert tell(fleet, 1, Ready(3)) == [Admit(3)]
    assert tell(fleet, 1, Ready(2)) == [Admit(2), AnnounceReady()]
    tell(fleet, 5, Exited(2, -9), Forked(4, 104))
    assert tell(fleet, 6, Ready(4)) == [Admit(4)]


def test_without_a_subreaper_workers_are_forked_directly() -> None:
    fleet = Fleet(plan(1, templates=False))
    assert fleet.start(0) == [Spawn(1, 0, 1, template=None)]
    assert tell(fleet, 0, Forked(1, 101), Ready(1)) == [Admit(1), AnnounceReady()]
    assert fleet.state == "serving"


def test_a_template_that_declines_is_followed_by_an_empty_one() -> None:
    fleet = Fleet(plan(1))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101))
    assert tell(fleet, 1, Declined(1)) == [StartTemplate(2, 1, loaded=False)]
    assert tell(fleet, 1, Exited(1, 0)) == []
    assert tell(fleet, 1, Forked(2, 102), Ready(2)) == [Spawn(3, 0, 1, 2)]


def test_a_template_that_declined_and_stays_is_killed() -> None:
    fleet = Fleet(plan(1))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Declined(1))
    assert fleet.next_deadline() == HURRY
    assert fleet.tick(HURRY) == [Kill(1)]


def test_repr_is_one_line() -> None:
    assert repr(serving()) == "<Fleet gen=1 [0:SERVING 1:SERVING]>"


# -- failures at the first start ---------------------------------------------


def test_an_import_that_fails_ends_the_first_start_at_once() -> None:
    fleet = Fleet(plan(2))
    fleet.start(0)
    failed = Failed(1, Stage.IMPORT, "no such module", "Traceback")
    assert without_notes(tell(fleet, 0, Forked(1, 101), failed)) == []
    assert tell(fleet, 1, Exited(1, 3)) == [CloseListeners(), Finish(ExitCode.APP_IMPORT)]
    assert fleet.generation.failure == failed


@pytest.mark.parametrize("preload", [True, False])
def test_settings_that_cannot_be_used_end_the_first_start_at_once(preload: bool) -> None:
    fleet = Fleet(plan(2, preload=preload))
    fleet.start(0)
    failed = Failed(1, Stage.SETTINGS, "--certfile holds no certificate")
    tell(fleet, 0, Forked(1, 101), failed)
    assert tell(fleet, 1, Exited(1, 2)) == [CloseListeners(), Finish(ExitCode.USAGE)]
    assert fleet.generation.failure == failed


def test_an_import_that_fails_in_a_worker_ends_the_first_start_too() -> None:
    fleet = Fleet(plan(2, preload=False))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Ready(1), Forked(2, 102), Forked(3, 103))
    tell(fleet, 1, Failed(2, Stage.IMPORT, "no"), Failed(3, Stage.IMPORT, "no"))
    assert tell(fleet, 1, Exited(2, 3)) == [CloseListeners(), AskToStop(3, 0.0)]
    assert tell(fleet, 1, Exited(3, 3)) == [AskToStop(1, 0.0)]
    assert tell(fleet, 1, Exited(1, 0)) == [Finish(ExitCode.APP_IMPORT)]


def test_a_startup_that_fails_is_tried_three_times() -> None:
    fleet = Fleet(plan(1))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Ready(1))
    now = 0.0
    for id in (2, 3):
        tell(fleet, now, Forked(id, 100 + id), Failed(id, Stage.STARTUP, "no database"))
        assert without_notes(tell(fleet, now, Exited(id, 4))) == []
        now = fleet.next_deadline() or 0.0
        assert fleet.tick(now) == [Spawn(id + 1, 0, 1, 1)]
    tell(fleet, now, Forked(4, 104))
    orders = tell(fleet, now, Exited(4, 4))
    assert without_notes(orders) == [CloseListeners(), AskToStop(1, 0.0)]
    assert tell(fleet, now, Exited(1, 0)) == [Finish(ExitCode.APP_START)]


def test_a_start_that_takes_too_long_is_killed_and_said_so() -> None:
    fleet = Fleet(plan(1))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101))
    assert fleet.next_deadline() == 10
    note, kill = fleet.tick(10)
    assert isinstance(note, Note)
    assert note.event == "start_timeout"
    assert dict(note.fields) == {"process": "template", "slot": None, "pid": 101, "generation": 1}
    assert kill == Kill(1)


# -- failures later ----------------------------------------------------------


def test_a_worker_that_served_is_replaced_at_once_in_its_own_slot() -> None:
    fleet = serving()
    assert tell(fleet, 5, Exited(3, -9)) == [Spawn(4, 1, 1, 1)]
    assert fleet.state == "degraded"
    tell(fleet, 5.1, Forked(4, 104), Ready(4))
    assert fleet.state == "serving"
    assert [slot.restarts for slot in fleet.roster.slots] == [0, 1]


def test_a_fleet_that_serves_is_never_ended_by_deaths() -> None:
    fleet = serving(2, preload=False)
    now = 5.0
    tell(fleet, now, Exited(3, -9))
    for id in range(4, 14):
        tell(fleet, now, Forked(id, 100 + id))
        (note,) = tell(fleet, now, Failed(id, Stage.IMPORT, "broken", "Traceback"))
        assert isinstance(note, Note)
        assert ("detail", "Traceback") in note.fields
        orders = tell(fleet, now, Exited(id, 3))
        assert [type(order) for order in orders] == [Note]
        waited_from, now = now, fleet.next_deadline() or 0.0
        assert fleet.tick(now) == [Spawn(id + 1, 1, 1, 1)]
    assert now - waited_from >= 24  # 30 s, less its fifth of jitter
    assert fleet.state == "degraded"


def test_a_template_that_dies_is_started_again_and_the_workers_serve_on() -> None:
    fleet = serving()
    assert tell(fleet, 5, Exited(1, -9)) == [StartTemplate(4, 1, loaded=True)]
    assert fleet.state == "degraded"
    assert tell(fleet, 5, Exited(2, -9)) == []  # nobody there to fork it
    assert tell(fleet, 6, Forked(4, 104), Ready(4)) == [Spawn(5, 0, 1, 4)]


def test_a_template_that_keeps_dying_backs_off() -> None:
    fleet = serving()
    tell(fleet, 5, Exited(1, -9))
    orders = tell(fleet, 5, Forked(4, 104), Failed(4, Stage.IMPORT, "broken"), Exited(4, 3))
    assert without_notes(orders) == []
    due = fleet.next_deadline() or 0.0
    assert 5.08 <= due <= 5.12
    assert fleet.tick(due) == [StartTemplate(5, 1, loaded=True)]


def test_a_worker_that_never_lived_is_asked_for_again() -> None:
    fleet = Fleet(plan(1))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Ready(1))
    assert without_notes(tell(fleet, 0, Exited(2, 0))) == []
    assert fleet.tick(0.2) == [Spawn(3, 0, 1, 1)]


def test_a_silent_template_is_killed_for_the_worker_that_it_did_not_fork() -> None:
    fleet = Fleet(plan(1))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Ready(1))
    assert without_notes(fleet.tick(10)) == [Kill(2), Kill(1)]
    assert tell(fleet, 11, Forked(2, 102)) == [Kill(2)]  # it appears after all


def test_a_worker_whose_template_is_gone_before_its_pid_was_told_is_given_up() -> None:
    fleet = Fleet(plan(1))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Ready(1))
    fleet.tick(10)  # both are killed
    orders = tell(fleet, 11, Exited(1, -9))
    assert Kill(2) in orders, "nobody else will ever tell of it"


# -- other processes' faults -------------------------------------------------


@pytest.mark.parametrize(
    "fault", [Ready(2), Forked(2, 102), Declined(2), Misbehaved(2)], ids=lambda f: type(f).__name__
)
def test_what_a_worker_must_not_say_costs_its_own_life(fault: Ready) -> None:
    fleet = serving()
    assert tell(fleet, 1, fault) == [Kill(2)]
    assert tell(fleet, 1, fault) == []  # once is enough
    assert fleet.roster.processes[2].phase is Phase.KILLED


def test_a_template_that_wants_to_leave_is_killed() -> None:
    assert tell(serving(), 1, Leaving(1)) == [Kill(1)]


def test_facts_about_the_dead_are_stale_and_ignored() -> None:
    fleet = serving()
    tell(fleet, 5, Exited(2, -9))
    assert tell(fleet, 5, Ready(2), Exited(2, -9), Leaving(2)) == []


# -- leaving -----------------------------------------------------------------


def test_a_worker_that_leaves_serves_until_its_successor_does() -> None:
    fleet = serving()
    assert tell(fleet, 5, Leaving(2)) == [Spawn(4, 0, 1, 1)]
    assert fleet.state == "serving"
    assert tell(fleet, 6, Forked(4, 104), Ready(4)) == [Admit(4), AskToStop(2, 30.0, True)]
    assert tell(fleet, 7, Exited(2, 0)) == []


def test_a_successor_that_fails_leaves_its_elder_serving() -> None:
    fleet = serving()
    tell(fleet, 5, Leaving(2), Forked(4, 104))
    assert without_notes(tell(fleet, 6, Exited(4, 4))) == []
    assert fleet.roster.processes[2].phase is Phase.LEAVING
    assert fleet.tick(fleet.next_deadline() or 0.0) == [Spawn(5, 0, 1, 1)]


# -- stop --------------------------------------------------------------------


def test_a_stop_drains_the_workers_then_ends_the_template() -> None:
    fleet = serving()
    orders = tell(fleet, 1, StopRequested())
    assert orders == [CloseListeners(), AskToStop(2, 30.0), AskToStop(3, 30.0)]
    assert fleet.state == "stopping"
    assert tell(fleet, 2, LeftRotation(2), Exited(2, 0)) == []
    assert tell(fleet, 3, LeftRotation(3), Exited(3, 0)) == [AskToStop(1, 0.0)]
    assert tell(fleet, 3, Exited(1, 0)) == [Finish(ExitCode.OK)]


def test_a_worker_that_ends_before_it_has_left_the_rotation_has_cut_what_it_had() -> None:
    fleet = serving(1)
    tell(fleet, 1, StopRequested(), Exited(2, 0))  # an os._exit(0) of the application
    assert tell(fleet, 1, Exited(1, 0)) == [Finish(ExitCode.CUT)]


def test_a_template_that_does_not_end_is_killed() -> None:
    fleet = serving(1)
    tell(fleet, 1, StopRequested(), LeftRotation(2), Exited(2, 0))
    assert fleet.tick(1 + HURRY) == [Kill(1)]
    assert tell(fleet, 3, Exited(1, -9)) == [Finish(ExitCode.OK)]  # no request was cut by that


def test_a_worker_past_its_deadline_is_killed_and_the_exit_code_tells() -> None:
    fleet = serving(1)
    tell(fleet, 1, StopRequested())
    assert fleet.next_deadline() == 31 + KILL_GRACE
    assert fleet.tick(31 + KILL_GRACE) == [Kill(2)]
    tell(fleet, 32, Exited(2, -9))
    assert tell(fleet, 32, Exited(1, 0)) == [Finish(ExitCode.CUT)]


def test_a_worker_that_says_it_cut_requests_decides_the_exit_code() -> None:
    fleet = serving(2)
    tell(fleet, 1, StopRequested(), Exited(2, ExitCode.CUT), Exited(3, 0))
    assert tell(fleet, 32, Exited(1, 0)) == [Finish(ExitCode.CUT)]


def test_a_worker_that_dies_while_it_drains_has_cut_its_requests() -> None:
    fleet = serving(1)
    tell(fleet, 1, StopRequested(), Exited(2, -9))
    assert tell(fleet, 2, Exited(1, 0)) == [Finish(ExitCode.CUT)]


def test_a_second_stop_hurries_and_a_third_does_not_prolong() -> None:
    fleet = serving(1)
    tell(fleet, 1, StopRequested())
    assert tell(fleet, 2, StopRequested()) == [AskToStop(2, HURRY)]
    assert tell(fleet, 2.5, StopRequested()) == [AskToStop(2, 0.5)]
    assert fleet.next_deadline() == 3 + KILL_GRACE


def test_quit_leaves_no_time() -> None:
    fleet = serving(1)
    assert tell(fleet, 1, QuitRequested()) == [CloseListeners(), AskToStop(2, 0.0)]
    assert fleet.tick(1 + KILL_GRACE) == [Kill(2)]


def test_a_stop_that_overtakes_a_fork_is_repeated_when_the_pid_is_known() -> None:
    fleet = Fleet(plan(1))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101), Ready(1))
    assert tell(fleet, 1, StopRequested()) == [CloseListeners(), AskToStop(2, 30.0)]
    assert tell(fleet, 2, Forked(2, 102)) == [AskToStop(2, 29.0)]
    assert tell(fleet, 3, Ready(2)) == []
    assert fleet.next_deadline() == 31 + KILL_GRACE


def test_a_stop_during_the_import_ends_the_template() -> None:
    fleet = Fleet(plan(1))
    fleet.start(0)
    tell(fleet, 0, Forked(1, 101))
    assert tell(fleet, 1, StopRequested()) == [CloseListeners(), AskToStop(1, 30.0)]
    assert tell(fleet, 1, Declined(1)) == []  # crossed our stop
    assert tell(fleet, 1, Exited(1, -15)) == [Finish(ExitCode.OK)]


def test_nothing_is_started_while_stopping() -> None:
    fleet = serving(2)
    tell(fleet, 1, StopRequested())
    assert tell(fleet, 1, Exited(2, -9)) == []
    assert fleet.tick(2) == []


# -- scaling -----------------------------------------------------------------


def test_more_workers_are_spawned_at_once() -> None:
    fleet = serving(1)
    orders = without_notes(tell(fleet, 0, ScaleRequested(2)))
    assert orders == [Spawn(3, 1, 1, 1), Spawn(4, 2, 1, 1)]
    assert fleet.state == "degraded"


def test_the_last_workers_go_where_there_are_to_be_fewer() -> None:
    fleet = serving(3)
    tell(fleet, 0, Exited(4, -9))  # the one of the last slot; its successor is being forked
    orders = without_notes(tell(fleet, 0, ScaleRequested(-2)))
    assert orders == [AskToStop(3, 30.0, True), AskToStop(5, 30.0)]
    assert fleet.state == "serving"
    assert tell(fleet, 1, Exited(3, 0), Exited(5, 0)) == []


def test_nothing_is_handed_back_where_nobody_would_take_it() -> None:
    fleet = serving(2)
    tell(fleet, 0, Exited(2, -9))
    assert without_notes(tell(fleet, 0, ScaleRequested(-1))) == [AskToStop(3, 30.0)]


def test_a_stop_ends_the_handing_back() -> None:
    fleet = serving(2)
    tell(fleet, 0, ScaleRequested(-1))
    assert tell(fleet, 1, StopRequested())[1:] == [AskToStop(2, 30.0), AskToStop(3, 29.0)]


def test_a_slot_that_comes_back_has_nothing_of_the_one_that_went() -> None:
    fleet = serving(2)
    tell(fleet, 0, ScaleRequested(-1))
    assert without_notes(tell(fleet, 0, ScaleRequested(1))) == [Spawn(4, 1, 1, 1)]
    assert tell(fleet, 1, Exited(3, 0)) == []


@pytest.mark.parametrize("by", [-2, 1023])
def test_a_number_of_workers_that_cannot_be_is_refused(by: int) -> None:
    fleet = serving(2)
    orders = tell(fleet, 0, ScaleRequested(by))
    limits = (("least", 1), ("most", 1024))
    assert orders == [Note("warning", "scale_refused", (("workers", 2 + by), *limits))]


def test_a_fleet_that_stops_is_not_scaled() -> None:
    fleet = serving(1)
    tell(fleet, 0, StopRequested())
    assert without_notes(tell(fleet, 0, ScaleRequested(1))) == []
