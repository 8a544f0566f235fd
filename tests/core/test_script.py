"""A script decides who comes and who goes; the fleet sees to how."""

from tests.core.fleets import tell as told

from prefork.core.facts import (
    DisconnectRequested,
    Exited,
    Fact,
    Failed,
    Forked,
    ForkRequested,
    Leaving,
    LeftRotation,
    Misbehaved,
    Proven,
    Ready,
    ReloadRequested,
    ScaleRequested,
    Stage,
    StopRequested,
    Worn,
)
from prefork.core.fleet import Fleet
from prefork.core.orders import (
    Admit,
    AnnounceReady,
    AskToStop,
    CloseListeners,
    Finish,
    GiveUp,
    Kill,
    Note,
    Order,
    ReleaseListeners,
    ReloadState,
    Spawn,
)
from prefork.core.plan import Plan
from prefork.errors import ExitCode

PLAN = Plan(0, False, True, start_timeout=10, graceful_timeout=30, scripted=True)


def fork(fleet: Fleet, now: float = 0.0) -> list[Order]:
    return fleet.handle(ForkRequested(*fleet.reserve()), now)


def tell(fleet: Fleet, *facts: Fact, now: float = 0.0) -> list[Order]:
    return told(fleet, now, *facts)


def serving(workers: int) -> Fleet:
    """A fleet whose workers 1, 2, … listen."""
    fleet = Fleet(PLAN)
    assert fleet.start(0.0) == []
    for id in range(1, workers + 1):
        assert Spawn(id, id - 1, 1, None) in fork(fleet)
        tell(fleet, Forked(id, 100 + id), Ready(id))
    return fleet


def notes(orders: list[Order]) -> list[str]:
    return [order.event for order in orders if isinstance(order, Note)]


def test_nothing_is_forked_unasked_and_whoever_is_is_admitted_when_ready() -> None:
    fleet = Fleet(PLAN)
    assert fleet.start(0.0) == []
    assert fleet.tick(100.0) == []
    assert fleet.next_deadline() is None
    assert fleet.state == "serving"
    assert fleet.is_scripted
    assert fork(fleet) == [Spawn(1, 0, 1, None)]
    assert fork(fleet) == [Spawn(2, 1, 1, None)]
    assert tell(fleet, Forked(1, 101), Ready(1)) == [Admit(1), AnnounceReady()]
    assert fleet.state == "serving"  # whether the other will ever listen, nobody knows
    assert tell(fleet, Forked(2, 102), Ready(2)) == [Admit(2)]


def test_a_script_may_take_as_long_as_it_likes_before_it_listens() -> None:
    fleet = Fleet(PLAN)
    fork(fleet)
    tell(fleet, Forked(1, 101))
    assert fleet.next_deadline() is None
    assert fleet.tick(1e6) == []


def test_who_exits_is_not_replaced_and_its_slot_is_the_next_ones() -> None:
    fleet = serving(3)
    assert tell(fleet, Exited(2, -9), now=100.0) == []
    assert fleet.roster.slot_at(1) is None
    assert fleet.next_deadline() is None
    assert fleet.reserve() == (4, 1)
    assert fleet.handle(ForkRequested(4, 1), 100.0) == [Spawn(4, 1, 1, None)]
    assert fleet.reserve() == (5, 3)


def test_forks_into_a_slot_whose_workers_die_young_wait() -> None:
    fleet = Fleet(PLAN)
    fork(fleet)
    assert tell(fleet, Forked(1, 101), Exited(1, 1)) == []
    assert fork(fleet) == [Spawn(2, 0, 1, None)]  # the first costs no delay
    tell(fleet, Forked(2, 102), Exited(2, 1))
    assert notes(fork(fleet)) == ["backing_off"]
    assert fleet.state == "degraded"
    due = fleet.next_deadline()
    assert due is not None
    assert 0.05 < due < 0.2
    assert fleet.tick(due) == [Spawn(3, 0, 1, None)]


def test_one_that_lived_for_a_while_is_followed_at_once_though_it_never_listened() -> None:
    fleet = Fleet(PLAN)
    for id in range(1, 5):
        assert fork(fleet, now=10.0 * id) == [Spawn(id, 0, 1, None)]
        tell(fleet, Forked(id, 100 + id), now=10.0 * id)
        tell(fleet, Exited(id, 0), now=10.0 * id + 5)


def test_an_import_that_fails_ends_its_worker_alone() -> None:
    fleet = Fleet(PLAN)
    for id in range(1, 6):
        orders = fork(fleet, now=100.0 * id)
        assert orders == [Spawn(id, 0, 1, None)]
        failed = Failed(id, Stage.IMPORT, "no such module")
        assert notes(tell(fleet, Forked(id, 100 + id), failed, now=100.0 * id)) == [
            "application_failed"
        ]
        tell(fleet, Exited(id, 3), now=100.0 * id + 2)
    assert fleet.state == "serving"


def test_a_worker_that_asks_to_leave_is_told_to_stop_and_not_replaced() -> None:
    fleet = serving(2)
    assert tell(fleet, Leaving(1)) == [AskToStop(1, 30.0, hands_back=True)]
    assert tell(fleet, LeftRotation(1), Exited(1, 0)) == []
    assert fleet.reserve() == (3, 0)


def test_one_that_never_listened_may_leave_too() -> None:
    fleet = Fleet(PLAN)
    fork(fleet)
    assert tell(fleet, Forked(1, 101), Leaving(1)) == [AskToStop(1, 30.0)]


def test_one_worker_is_disconnected_and_its_slot_is_taken_until_it_has_gone() -> None:
    fleet = serving(2)
    assert tell(fleet, DisconnectRequested(1)) == [AskToStop(1, 30.0, hands_back=True)]
    assert fleet.reserve() == (3, 2)
    assert tell(fleet, LeftRotation(1), Exited(1, 0)) == []
    assert fleet.reserve() == (4, 0)
    assert tell(fleet, DisconnectRequested(9)) == []


def test_listeners_are_released_when_all_have_gone_that_were_there() -> None:
    fleet = serving(2)
    assert tell(fleet, DisconnectRequested(None)) == [AskToStop(1, 30.0), AskToStop(2, 30.0)]
    assert fork(fleet) == [Spawn(3, 2, 1, None)]
    assert tell(fleet, LeftRotation(1), Exited(1, 0)) == []
    assert tell(fleet, LeftRotation(2), Exited(2, 0)) == [ReleaseListeners()]
    assert fleet.tick(1.0) == []  # the third is there


def test_it_ends_once_released_unless_a_handler_forks_again() -> None:
    fleet = serving(1)
    tell(fleet, DisconnectRequested(None), LeftRotation(1))
    assert tell(fleet, Exited(1, 0)) == [ReleaseListeners()]
    assert fork(fleet) == [Spawn(2, 0, 1, None)]
    assert fleet.tick(0.0) == []
    tell(fleet, Forked(2, 102), DisconnectRequested(None))
    assert tell(fleet, Exited(2, 0)) == [ReleaseListeners()]
    assert fleet.tick(0.0) == [CloseListeners(), Finish(ExitCode.OK)]


def test_those_that_are_all_disconnected_are_nobodys_heirs() -> None:
    """A connection that one of them gave back would find nobody, or be answered for the last time
    without its client being told so.
    """
    fleet = serving(3)
    orders = tell(fleet, DisconnectRequested(None))
    assert orders == [AskToStop(id, 30.0, hands_back=False) for id in (1, 2, 3)]


def test_a_disconnect_with_nobody_there_is_done_at_once() -> None:
    fleet = Fleet(PLAN)
    assert tell(fleet, DisconnectRequested(None)) == [ReleaseListeners()]
    assert tell(fleet, DisconnectRequested(None)) == [ReleaseListeners()]
    assert fleet.tick(0.0) == [CloseListeners(), Finish(ExitCode.OK)]


def waiting() -> tuple[Fleet, int]:
    """A fleet with a fork that waits for its time, and its id."""
    fleet = Fleet(PLAN)
    for id in (1, 2):
        fork(fleet)
        tell(fleet, Forked(id, 100 + id), Exited(id, 1))
    assert notes(fork(fleet)) == ["backing_off"]
    return fleet, 3


def test_a_fork_that_waits_is_given_up_by_a_disconnect() -> None:
    fleet, id = waiting()
    assert tell(fleet, DisconnectRequested(id)) == [GiveUp(id)]
    assert fleet.next_deadline() is None
    fleet, id = waiting()
    assert tell(fleet, DisconnectRequested(None)) == [GiveUp(id), ReleaseListeners()]
    fleet, id = waiting()
    assert tell(fleet, StopRequested()) == [GiveUp(id), CloseListeners(), Finish(ExitCode.OK)]


def test_nobody_is_forked_into_a_fleet_that_ends() -> None:
    fleet = serving(1)
    tell(fleet, StopRequested())
    assert fork(fleet) == [GiveUp(2)]
    assert tell(fleet, DisconnectRequested(None)) == []
    assert tell(fleet, LeftRotation(1), Exited(1, 0)) == [Finish(ExitCode.OK)]


def test_how_many_there_are_is_for_the_script_alone() -> None:
    fleet = serving(1)
    reason = ("reason", "a script decides, by fork()")
    assert tell(fleet, ScaleRequested(1)) == [Note("warning", "scale_refused", (reason,))]


def test_a_reload_forks_waits_until_it_serves_and_lets_the_elder_go_in_turn() -> None:
    fleet = serving(2)
    orders = tell(fleet, ReloadRequested())
    assert Spawn(3, 0, 2, None) in orders
    tell(fleet, Forked(3, 103), Ready(3))
    orders = tell(fleet, Proven(3), now=1.0)
    assert orders[:2] == [Admit(3), AskToStop(1, 30.0, hands_back=True)]
    tell(fleet, LeftRotation(1), now=1.0)
    tell(fleet, Exited(1, 0), now=1.0)
    tell(fleet, Forked(4, 104), Ready(4), Proven(4), now=2.0)
    tell(fleet, LeftRotation(2), Exited(2, 0), now=2.0)
    assert fleet.reload is not None
    assert fleet.reload.state is ReloadState.SUCCEEDED
    assert [(p.id, p.slot) for p in fleet.roster.processes.values()] == [(3, 0), (4, 1)]


def test_a_reload_leaves_those_alone_that_never_listened() -> None:
    fleet = serving(1)
    fork(fleet)
    tell(fleet, Forked(2, 102))
    tell(fleet, ReloadRequested(), Forked(3, 103), Ready(3), Proven(3), now=1.0)
    tell(fleet, LeftRotation(1), Exited(1, 0), now=1.0)
    assert fleet.reload is not None
    assert fleet.reload.state is ReloadState.SUCCEEDED
    assert [(p.id, p.slot) for p in fleet.roster.processes.values()] == [(2, 1), (3, 0)]


def test_who_is_forked_during_a_reload_may_end_as_it_likes_and_says_nothing_of_the_code() -> None:
    for status in (0, 1, -15):
        fleet = serving(1)
        tell(fleet, ReloadRequested(), Forked(2, 102))
        assert fork(fleet) == [Spawn(3, 1, 2, None)]
        assert tell(fleet, Forked(3, 103), Exited(3, status), now=4.0) == []
        tell(fleet, Ready(2), Proven(2), LeftRotation(1), Exited(1, 0), now=5.0)
        assert fleet.reload is not None
        assert fleet.reload.state is ReloadState.SUCCEEDED


def test_a_reload_that_has_failed_counts_those_alone_that_it_has_moved() -> None:
    fleet = serving(1)
    tell(fleet, ReloadRequested(), Forked(2, 102))
    fork(fleet)
    tell(fleet, Forked(3, 103), Exited(2, 1))
    assert fleet.reload is not None
    assert (fleet.reload.state, fleet.reload.moved) == (ReloadState.FAILED, 0)


def test_one_that_is_to_be_replaced_by_what_lies_on_disk_has_not_moved_before_it_is() -> None:
    fleet = serving(1)
    tell(fleet, ReloadRequested(), Forked(2, 102))
    fork(fleet)  # so that there is a generation 2 when the reload has failed
    tell(fleet, Forked(3, 103), Exited(2, 1))
    assert Spawn(4, 0, 2, None) in tell(fleet, Worn(1, "1000 requests"), now=50.0)
    assert tell(fleet, ReloadRequested(), now=50.0)
    assert Spawn(5, 0, 3, None) in [*tell(fleet, Exited(4, 1), now=50.0), *fleet.tick(60.0)]
    tell(fleet, Exited(5, 1), now=60.0)
    assert fleet.reload is not None
    assert (fleet.reload.state, fleet.reload.moved) == (ReloadState.FAILED, 0)


def test_who_took_over_and_dies_while_others_are_to_be_moved_speaks_against_the_code() -> None:
    fleet = serving(2)
    tell(fleet, ReloadRequested(), Forked(3, 103), Ready(3), Proven(3), Exited(3, 1))
    assert fleet.reload is not None
    assert fleet.reload.state is ReloadState.FAILED


def test_a_successor_has_to_listen_in_time_as_its_elder_did() -> None:
    fleet = serving(1)
    tell(fleet, ReloadRequested(), Forked(2, 102))
    assert fleet.next_deadline() == 10.0
    assert Kill(2) in fleet.tick(10.0)
    tell(fleet, Exited(2, -9), now=10.0)
    assert fleet.reload is not None
    assert fleet.reload.state is ReloadState.FAILED
    assert list(fleet.roster.processes) == [1]


def test_one_that_dies_while_another_is_moved_is_not_replaced() -> None:
    fleet = serving(2)
    tell(fleet, ReloadRequested(), Misbehaved(2), Forked(3, 103), Ready(3), Proven(3))
    tell(fleet, LeftRotation(1), Exited(1, 0), now=1.0)
    assert tell(fleet, Exited(2, -9), now=1.0)  # ends the reload
    assert fleet.reload is not None
    assert fleet.reload.state is ReloadState.SUCCEEDED
    assert list(fleet.roster.processes) == [3]


def test_a_worn_worker_is_replaced_though_another_never_listens() -> None:
    fleet = serving(1)
    fork(fleet)
    orders = tell(fleet, Forked(2, 102), Worn(1, "1000 requests"))
    assert Spawn(3, 0, 1, None) in orders


def test_a_reload_whose_first_worker_dies_leaves_the_elders() -> None:
    fleet = serving(1)
    tell(fleet, ReloadRequested())
    tell(fleet, Forked(2, 102), Exited(2, 1))
    assert fleet.reload is not None
    assert fleet.reload.state is ReloadState.FAILED
    assert fleet.tick(100.0) == []
    assert list(fleet.roster.processes) == [1]


def test_a_reload_whose_first_worker_leaves_before_it_takes_over_has_failed() -> None:
    for wish in (Leaving(3), DisconnectRequested(3)):
        fleet = serving(2)
        tell(fleet, ReloadRequested())
        assert tell(fleet, Forked(3, 103), wish) == [AskToStop(3, 30.0)]
        orders = tell(fleet, LeftRotation(3), Exited(3, 0), now=1.0)
        assert not any(isinstance(order, Spawn) for order in orders)
        assert fleet.reload is not None
        assert fleet.reload.reason == "worker 0 was not to take over"
        assert list(fleet.roster.processes) == [1, 2]


def test_a_disconnect_in_the_midst_of_a_reload_leaves_nobody() -> None:
    fleet = serving(1)
    tell(fleet, ReloadRequested(), Forked(2, 102))
    assert tell(fleet, DisconnectRequested(None))[:2] == [AskToStop(1, 30.0), AskToStop(2, 30.0)]
    orders = tell(fleet, LeftRotation(1), Exited(1, 0), LeftRotation(2), Exited(2, 0))
    assert orders[-1] == ReleaseListeners()
    assert not any(isinstance(order, Spawn) for order in orders)


def test_nothing_is_reloaded_where_nobody_listens() -> None:
    fleet = Fleet(PLAN)
    fork(fleet)
    assert notes(tell(fleet, Forked(1, 101), ReloadRequested())) == ["reload_refused"]


def test_one_that_is_dying_already_is_not_asked_to_go() -> None:
    fleet = serving(2)
    tell(fleet, Misbehaved(1))
    assert tell(fleet, DisconnectRequested(None)) == [AskToStop(2, 30.0)]
    assert tell(fleet, DisconnectRequested(1)) == []


def test_work_that_a_disconnect_has_cut_is_what_the_program_exits_with() -> None:
    fleet = serving(2)
    tell(fleet, DisconnectRequested(None), LeftRotation(1), Exited(1, ExitCode.CUT))
    tell(fleet, LeftRotation(2), Exited(2, 0))
    assert fleet.tick(1.0) == [CloseListeners(), Finish(ExitCode.CUT)]


def test_so_is_it_where_a_stop_comes_in_between() -> None:
    fleet = serving(2)
    tell(fleet, DisconnectRequested(None), LeftRotation(1), Exited(1, ExitCode.CUT))
    tell(fleet, StopRequested(), LeftRotation(2))
    assert tell(fleet, Exited(2, 0)) == [Finish(ExitCode.CUT)]


def test_what_was_cut_before_is_forgotten_where_the_script_has_gone_on() -> None:
    fleet = serving(1)
    tell(fleet, DisconnectRequested(1), LeftRotation(1), Exited(1, ExitCode.CUT))
    fork(fleet)
    tell(fleet, Forked(2, 102), Ready(2))
    tell(fleet, DisconnectRequested(None), LeftRotation(2), Exited(2, ExitCode.CUT))
    fork(fleet)
    tell(fleet, Forked(3, 103), Ready(3))
    tell(fleet, DisconnectRequested(None), LeftRotation(3), Exited(3, 0))
    assert fleet.tick(1.0) == [CloseListeners(), Finish(ExitCode.OK)]
