"""A generation's pool: how many are in it, who replaces whom, and when it goes."""

from dataclasses import replace

import pytest
from tests.core.fleets import plan, tell

from prefork.core.facts import (
    Exited,
    Fact,
    Failed,
    Forked,
    Idle,
    Leaving,
    LeftRotation,
    Misbehaved,
    Overgrown,
    PoolWanted,
    Proven,
    QuitRequested,
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
    Kill,
    Note,
    OpenPool,
    Order,
    ReloadState,
    Spawn,
    SpawnPool,
    StartTemplate,
    TellReload,
)
from prefork.core.plan import Plan
from prefork.core.process import Phase, Role
from prefork.core.removal import HURRY, KILL_GRACE
from prefork.core.restart import LONGEST_POOL_DELAY
from prefork.errors import ExitCode

GRACE = 30.0  # seconds, as in the plan
TRIAL = 1.0  # likewise


def pooled(workers: int = 1, *, most: int = 2, least: int = 2, templates: bool = True) -> Plan:
    return replace(plan(workers, templates=templates), pool=most, pool_min=least)


def acts(orders: list[Order]) -> list[Order]:
    return [order for order in orders if not isinstance(order, Note | TellReload)]


def notes(orders: list[Order]) -> list[str]:
    return [order.event for order in orders if isinstance(order, Note)]


def born(fleet: Fleet, *ids: int, now: float = 0.0) -> list[Order]:
    """Have them forked, and ready."""
    facts: list[Fact] = []
    for id in ids:
        facts += [Forked(id, 100 + id), Ready(id)]
    return acts(tell(fleet, now, *facts))


def starting(plan: Plan) -> Fleet:
    """A fleet whose template, 1, is ready; its workers come first, then its pool."""
    fleet = Fleet(plan)
    assert fleet.start(0.0) == [StartTemplate(1, 1, loaded=True)]
    born(fleet, 1)
    return fleet


def serving(plan: Plan) -> Fleet:
    """A fleet of which all is there that is to be: template 1, the workers, the pool."""
    fleet = starting(plan)
    born(fleet, *range(2, 2 + plan.workers + plan.pool_min))
    assert fleet.state == "serving"
    return fleet


def bare(*, most: int = 2, least: int = 2, templates: bool = True) -> Fleet:
    """A pool without workers: its processes are 2 and 3."""
    return serving(pooled(0, most=most, least=least, templates=templates))


def reloading(fleet: Fleet, template: int, now: float = 10.0) -> list[Order]:
    """Request a reload, and have its template load."""
    assert acts(tell(fleet, now, ReloadRequested())) == [StartTemplate(template, 2, loaded=True)]
    return born(fleet, template, now=now)


def state(fleet: Fleet) -> ReloadState:
    assert fleet.reload is not None
    return fleet.reload.state


def members(fleet: Fleet) -> list[tuple[int, int | None, Phase]]:
    """Id, place and phase of each process of a pool."""
    return [(p.id, p.slot, p.phase) for p in fleet.roster.of(Role.POOL)]


# -- how many ----------------------------------------------------------------


def test_those_that_are_always_there_come_with_the_workers() -> None:
    fleet = Fleet(pooled())
    fleet.start(0.0)
    assert born(fleet, 1) == [Spawn(2, 0, 1, 1), SpawnPool(3, 0, 1, 1), SpawnPool(4, 1, 1, 1)]


def test_a_template_that_is_not_ready_is_waited_for() -> None:
    fleet = Fleet(pooled())
    fleet.start(0.0)
    assert acts(tell(fleet, 0.0, Forked(1, 101))) == []
    assert fleet.next_deadline() == 10.0  # its own: nothing else is due


def test_where_there_are_no_templates_the_primary_forks_it() -> None:
    fleet = Fleet(pooled(templates=False))
    assert fleet.start(0.0) == [Spawn(1, 0, 1, None)]
    assert acts(fleet.tick(0.0)) == [SpawnPool(2, 0, 1, None), SpawnPool(3, 1, 1, None)]


def test_whoever_is_ready_is_opened() -> None:
    fleet = starting(pooled())
    assert born(fleet, 3) == [OpenPool(3)]


def test_the_fleet_is_up_when_the_pool_is() -> None:
    fleet = starting(pooled())
    assert born(fleet, 2, 3) == [Admit(2), OpenPool(3)]
    assert fleet.state == "starting"
    assert born(fleet, 4) == [OpenPool(4), AnnounceReady()]
    assert fleet.state == "serving"


def test_more_come_one_by_one_when_tasks_wait() -> None:
    fleet = serving(pooled(most=3, least=0))
    assert acts(tell(fleet, 5.0, PoolWanted(1))) == [SpawnPool(3, 0, 1, 1)]
    assert acts(tell(fleet, 5.0, PoolWanted(1))) == []  # it is on its way
    born(fleet, 3)
    assert acts(tell(fleet, 5.0, PoolWanted(1))) == [SpawnPool(4, 1, 1, 1)]
    born(fleet, 4)
    assert acts(tell(fleet, 5.0, PoolWanted(1))) == [SpawnPool(5, 2, 1, 1)]
    born(fleet, 5)
    assert acts(tell(fleet, 5.0, PoolWanted(1))) == []  # as many as may be


def test_nobody_comes_for_a_generation_that_is_gone() -> None:
    fleet = serving(pooled(most=3))
    assert acts(tell(fleet, 5.0, PoolWanted(7))) == []


def test_an_idle_one_goes_where_there_are_more_than_always() -> None:
    fleet = serving(pooled(most=2, least=1))
    tell(fleet, 5.0, PoolWanted(1))
    born(fleet, 4)
    assert acts(tell(fleet, 20.0, Idle(3))) == [AskToStop(3, GRACE)]
    assert acts(tell(fleet, 20.0, Idle(3), Idle(4), Idle(9))) == []
    assert acts(tell(fleet, 20.0, Exited(3, 0))) == []
    assert members(fleet) == [(4, 1, Phase.READY)]
    assert fleet.state == "serving"
    assert acts(tell(fleet, 20.0, PoolWanted(1))) == [SpawnPool(5, 0, 1, 1)]


def test_while_one_is_missing_an_idle_one_has_it_not_come() -> None:
    fleet = serving(pooled(most=2, least=1))
    tell(fleet, 5.0, PoolWanted(1), Forked(4, 104))
    tell(fleet, 5.0, Exited(4, 1))
    assert acts(tell(fleet, 5.0, Idle(3))) == []
    assert fleet.next_deadline() is None
    assert acts(fleet.tick(50.0)) == []


def test_only_a_pool_process_is_ever_idle() -> None:
    fleet = serving(pooled())
    assert acts(tell(fleet, 20.0, Idle(2))) == []


# -- who goes ----------------------------------------------------------------


def test_a_worn_one_is_replaced_at_once() -> None:
    fleet = serving(pooled())
    orders = tell(fleet, 5.0, Worn(3, "1000 tasks"))
    assert notes(orders) == ["pool_recycled"]
    assert acts(orders) == [AskToStop(3, HURRY), SpawnPool(5, 2, 1, 1)]
    assert fleet.state == "degraded"
    assert acts(tell(fleet, 5.0, Worn(3, "1000 tasks"), Exited(3, 0))) == []
    assert born(fleet, 5) == [OpenPool(5)]
    assert fleet.state == "serving"


def test_a_place_is_free_again_when_its_process_has_gone() -> None:
    fleet = serving(pooled())
    tell(fleet, 5.0, Worn(3, "1000 tasks"), Exited(3, 0))
    assert acts(tell(fleet, 5.0, Worn(4, "1000 tasks"))) == [
        AskToStop(4, HURRY),
        SpawnPool(6, 0, 1, 1),
    ]


def test_those_that_take_long_to_go_are_waited_for_when_they_are_too_many() -> None:
    fleet = serving(pooled(most=1, least=1))
    tell(fleet, 5.0, Worn(3, "1 task"))
    born(fleet, 4, now=5.0)
    assert acts(tell(fleet, 5.0, Worn(4, "1 task"))) == [AskToStop(4, HURRY)]
    assert acts(tell(fleet, 5.0, Exited(3, 0))) == [SpawnPool(5, 0, 1, 1)]


def test_a_worn_one_that_does_not_go_is_killed() -> None:
    fleet = serving(pooled())
    tell(fleet, 5.0, Worn(3, "1000 tasks"))
    due = fleet.next_deadline()
    assert due is not None
    assert acts(fleet.tick(due)) == [Kill(3)]
    assert acts(tell(fleet, due, Exited(3, -9))) == []


def test_an_idle_one_that_does_not_go_is_killed_at_its_deadline() -> None:
    fleet = serving(pooled(most=2, least=1))
    tell(fleet, 5.0, PoolWanted(1))
    born(fleet, 4)
    tell(fleet, 20.0, Idle(3))
    due = fleet.next_deadline()
    assert due == 20.0 + GRACE + KILL_GRACE
    assert fleet.tick(due) == [Kill(3, "did not finish in time")]
    assert acts(tell(fleet, due, Exited(3, -9))) == []
    assert fleet.state == "serving"


def test_one_whose_task_wont_end_is_killed_and_replaced_when_it_is_dead() -> None:
    fleet = serving(pooled())
    orders = tell(fleet, 5.0, Overgrown(3, "its task was to end"))
    assert orders == [Kill(3)]
    assert fleet.state == "degraded"
    assert acts(tell(fleet, 5.0, Exited(3, -9))) == [SpawnPool(5, 0, 1, 1)]


def test_one_that_has_no_tasks_yet_is_not_killed_for_them() -> None:
    fleet = starting(pooled())
    assert acts(tell(fleet, 0.0, Overgrown(3, "its task was to end"))) == []
    assert acts(tell(fleet, 0.0, Worn(3, "1 task"))) == []
    assert acts(tell(fleet, 0.0, Overgrown(9, "it has gone"))) == []


@pytest.mark.parametrize("word", [Proven(3), Leaving(3), LeftRotation(3), Misbehaved(3), Ready(3)])
def test_what_only_workers_say_is_punished(word: Fact) -> None:
    fleet = serving(pooled())
    assert acts(tell(fleet, 5.0, word)) == [Kill(3)]


def test_a_ready_that_crosses_the_order_to_stop_opens_nothing() -> None:
    fleet = bare(most=1, least=1)
    tell(fleet, 10.0, ReloadRequested())
    born(fleet, 3, now=10.0)
    tell(fleet, 10.0, Forked(4, 104), StopRequested())
    assert acts(tell(fleet, 10.0, Ready(4))) == []


# -- who dies ----------------------------------------------------------------


def test_a_death_is_made_up_for_at_once_and_short_lives_hardly_wait() -> None:
    fleet = serving(pooled())
    assert acts(tell(fleet, 100.0, Exited(3, -9))) == [SpawnPool(5, 0, 1, 1)]
    born(fleet, 5, now=100.0)
    assert acts(tell(fleet, 100.5, Exited(5, 1))) == [SpawnPool(6, 0, 1, 1)]
    born(fleet, 6, now=100.5)
    orders = tell(fleet, 101.0, Exited(6, 1))
    assert orders == []  # of such a short wait nothing is said
    due = fleet.next_deadline()
    assert due is not None
    assert due == pytest.approx(101.05)
    assert acts(fleet.tick(due)) == [SpawnPool(7, 0, 1, 1)]


def test_a_place_in_the_pool_is_no_slot_of_a_worker() -> None:
    fleet = serving(pooled())
    tell(fleet, 100.0, Exited(3, -9))
    assert fleet.roster.in_slot(0) == 1
    assert fleet.roster.in_slot(1) == 0


def test_however_many_short_lives_the_wait_is_short() -> None:
    fleet, now = serving(pooled(most=1, least=1)), 0.0
    for _ in range(20):
        [(id, _, phase)] = members(fleet)
        assert phase is Phase.READY
        tell(fleet, now, Exited(id, 1))
        now += 0.05
        fleet.tick(now)
        [(id, _, _)] = members(fleet)
        born(fleet, id, now=now)


def test_a_death_before_ready_costs_a_wait_that_grows_until_one_is_ready() -> None:
    fleet = serving(pooled(most=1, least=1))
    tell(fleet, 100.0, Exited(3, -9), Forked(4, 104))
    orders = tell(fleet, 100.0, Exited(4, 1))
    assert notes(orders) == ["backing_off"]
    first = fleet.next_deadline()
    assert first is not None
    assert 100.05 < first < 100.15
    fleet.tick(first)
    tell(fleet, first, Exited(5, 1))
    second = fleet.next_deadline()
    assert second is not None
    assert second - first > 0.15
    fleet.tick(second)
    born(fleet, 6, now=second)
    assert acts(tell(fleet, 200.0, Exited(6, 1))) == [SpawnPool(7, 0, 1, 1)]
    tell(fleet, 200.0, Exited(7, 1))
    third = fleet.next_deadline()
    assert third is not None
    assert third < 200.15


def successor(fleet: Fleet, now: float) -> tuple[int, float]:
    """Have one come who is missing. Return its id, and when."""
    if all(phase is not Phase.SPAWNING for *_, phase in members(fleet)):
        now = fleet.next_deadline() or now
        fleet.tick(now)
    return max(id for id, *_ in members(fleet)), now


def die_idle(fleet: Fleet, now: float, uptime: float = 0.02) -> tuple[list[str], float]:
    """Have the only one die, and the next become ready. Return what was noted, and its wait."""
    died = now + uptime
    [(id, _, _)] = members(fleet)
    noted = notes(tell(fleet, died, Exited(id, 1, was_idle=True)))
    id, due = successor(fleet, died)
    born(fleet, id, now=due)
    return noted, due - died


def test_whoever_dies_without_ever_having_had_a_task_is_waited_for_longer_and_longer() -> None:
    fleet, now = serving(pooled(most=1, least=1)), 0.0
    waits: list[float] = []
    for _ in range(13):
        noted, wait = die_idle(fleet, now)
        assert noted == ["backing_off"] * bool(waits)
        waits.append(wait)
        now += 0.02 + wait
    assert waits[0] == 0
    assert waits[1] == pytest.approx(0.1, rel=0.2)
    assert waits[4] == pytest.approx(0.8, rel=0.2)
    assert waits[-1] == pytest.approx(30.0, rel=0.2)
    assert fleet.state == "serving"


def test_what_died_before_a_pool_was_whole_for_a_while_is_forgotten() -> None:
    fleet, now = serving(pooled(most=1, least=1)), 0.0
    for _ in range(4):
        now += die_idle(fleet, now)[1] + 0.02
    assert die_idle(fleet, now)[1] > 0.5
    assert die_idle(fleet, now + 5.0, uptime=1.5) == ([], 0.0)


def test_those_that_are_killed_idle_one_after_another_are_replaced_at_once() -> None:
    fleet = serving(pooled(most=3, least=3))
    for number in range(3):
        orders = tell(fleet, 100.0 + number / 10, Exited(3 + number, -9, was_idle=True))
        assert orders == [SpawnPool(6 + number, number, 1, 1)]
        born(fleet, 6 + number, now=100.0 + number / 10)


def test_what_died_early_is_remembered_while_others_are_missing() -> None:
    fleet = serving(pooled(most=2, least=2))
    now, dying = 0.0, 4
    for _ in range(4):
        tell(fleet, now, Forked(dying, 1000 + dying), Exited(dying, 1, was_idle=True))
        dying, now = successor(fleet, now)
    tell(fleet, now, Forked(dying, 1000 + dying), Exited(dying, 1))
    due = fleet.next_deadline()
    assert due is not None
    assert due - now > 1.0
    tell(fleet, now, Exited(3, -9))  # it had a task: the code can be run
    fleet.tick(now + LONGEST_POOL_DELAY)
    dying = max(id for id, *_ in members(fleet))
    tell(fleet, now + 0.1, Forked(dying, 1000 + dying), Exited(dying, 1))
    due = fleet.next_deadline()
    assert due is not None
    assert due - now - 0.1 == pytest.approx(0.1, rel=0.2)


def test_one_that_is_not_ready_in_time_is_killed() -> None:
    fleet = starting(pooled(most=1, least=1))
    born(fleet, 2)
    tell(fleet, 0.0, Forked(3, 103))
    orders = fleet.tick(10.0)
    assert notes(orders) == ["start_timeout"]
    assert acts(orders) == [Kill(3)]


def test_one_that_its_template_does_not_fork_costs_the_template() -> None:
    fleet = starting(pooled(most=1, least=1))
    born(fleet, 2)
    assert acts(fleet.tick(10.0)) == [Kill(3), Kill(1)]
    assert acts(tell(fleet, 10.0, Exited(1, -9)))[0] == Kill(3)  # the host gives it up
    tell(fleet, 10.0, Exited(3, 1))
    fleet.tick(10.2)
    assert [p.id for p in fleet.roster.of(Role.TEMPLATE)] == [4]


# -- the first start ---------------------------------------------------------


def fail_thrice(fleet: Fleet, id: int) -> list[Order]:
    """Have a pool process die before it is ready, and who comes in its place, and again."""
    orders: list[Order] = []
    now = 0.0
    for _ in range(3):
        orders = tell(fleet, now, Forked(id, 1000 + id), Exited(id, 1))
        now = fleet.next_deadline() or now
        fleet.tick(now)
        id = max(p.id for p in fleet.roster.processes.values())
    return orders


@pytest.mark.parametrize("serves", [True, False])
def test_a_pool_that_fails_at_the_first_start_ends_it_whoever_is_ready(serves: bool) -> None:
    fleet = starting(pooled(most=1, least=1))
    if serves:
        born(fleet, 2)
    orders = fail_thrice(fleet, 3)
    assert "giving_up" in notes(orders)
    tell(fleet, 5.0, Exited(2, 0))
    assert tell(fleet, 5.0, Exited(1, 0)) == [Finish(ExitCode.APP_START)]


def test_an_import_that_fails_at_the_first_start_is_not_tried_again() -> None:
    fleet = starting(pooled(most=1, least=1))
    born(fleet, 2)
    tell(fleet, 0.0, Forked(3, 103), Failed(3, Stage.IMPORT, "no module", "…"))
    assert CloseListeners() in tell(fleet, 0.0, Exited(3, 1))
    tell(fleet, 0.0, Exited(2, 0))
    assert tell(fleet, 0.0, Exited(1, 0)) == [Finish(ExitCode.APP_IMPORT)]


def test_it_ends_also_where_one_has_come_and_the_others_never_can() -> None:
    fleet = starting(pooled(most=2, least=2))
    born(fleet, 2, 3)
    assert "giving_up" in notes(fail_thrice(fleet, 4))
    tell(fleet, 5.0, Exited(2, 0), Exited(3, 0))
    assert tell(fleet, 5.0, Exited(1, 0)) == [Finish(ExitCode.APP_START)]


def test_once_all_were_there_no_death_ends_a_fleet() -> None:
    fleet = serving(pooled(most=2, least=2))
    tell(fleet, 1.0, Exited(3, -9))
    assert "giving_up" not in notes(fail_thrice(fleet, 5) + fleet.tick(50.0))
    assert fleet.state == "degraded"


def test_what_workers_died_of_is_not_held_against_a_pool() -> None:
    fleet, now, id = starting(pooled(2, most=1, least=1)), 0.0, 3
    born(fleet, 2)
    for _ in range(4):
        assert "giving_up" not in notes(tell(fleet, now, Forked(id, 1000 + id), Exited(id, 1)))
        now = fleet.next_deadline() or now
        fleet.tick(now)
        id = max(p.id for p in fleet.roster.of(Role.WORKER))
    tell(fleet, now, Forked(4, 104))
    assert notes(tell(fleet, now, Exited(4, 1))) == ["backing_off"]


def test_those_that_die_idle_before_all_were_there_end_a_first_start() -> None:
    fleet, now, dying = starting(pooled(most=2, least=2)), 0.0, 3
    born(fleet, 2)
    orders: list[Order] = []
    for _ in range(3):
        born(fleet, dying, now=now)
        orders = tell(fleet, now, Exited(dying, 1, was_idle=True))
        dying, now = successor(fleet, now)
    assert "giving_up" in notes(orders)


def test_one_that_comes_on_demand_never_ends_a_fleet_that_was_up() -> None:
    fleet = serving(pooled(most=1, least=0))
    tell(fleet, 0.0, PoolWanted(1))
    fail_thrice(fleet, 3)
    assert fleet.state == "serving"


def test_whoever_edits_the_code_goes_on_with_workers_alone() -> None:
    fleet = starting(replace(pooled(most=1, least=1), waits_for_code=True))
    born(fleet, 2)
    fail_thrice(fleet, 3)
    assert fleet.state == "starting"
    assert fleet.roster.serving() == 1


def test_where_nothing_serves_either_new_code_is_waited_for() -> None:
    fleet = starting(replace(pooled(most=1, least=1), waits_for_code=True))
    tell(fleet, 0.0, Forked(3, 103), Failed(3, Stage.STARTUP, "boom"))
    orders = tell(fleet, 0.0, Exited(3, 1))
    assert notes(orders) == ["waiting_for_change"]
    assert fleet.state == "waiting"
    assert fleet.next_deadline() == 10.0  # the worker's that is on its way
    born(fleet, 2)
    assert fleet.next_deadline() is not None
    assert acts(fleet.tick(1.0)) == [SpawnPool(4, 0, 1, 1)]


# -- reloads -----------------------------------------------------------------


def moved(fleet: Fleet, now: float = 10.0) -> None:
    """Have the new template, 4, the new pool, 5, the new worker, 6, and the old one, 2, do their
    parts."""
    assert reloading(fleet, 4, now) == [SpawnPool(5, 0, 2, 4)]
    tell(fleet, now, Forked(5, 105))
    assert Spawn(6, 0, 2, 4) in acts(tell(fleet, now, Ready(5)))
    born(fleet, 6, now=now)
    now += TRIAL
    assert acts(tell(fleet, now, Proven(6))) == [Admit(6), AskToStop(2, GRACE, hands_back=True)]
    tell(fleet, now, LeftRotation(2))


def test_a_reload_moves_no_worker_before_the_new_pool_is_there() -> None:
    fleet = serving(pooled(most=1, least=1))
    assert reloading(fleet, 4, 10.0) == [SpawnPool(5, 0, 2, 4)]
    assert acts(fleet.tick(15.0)) == []
    assert state(fleet) is ReloadState.RUNNING
    assert fleet.state == "serving"  # the old pool is whole
    tell(fleet, 15.0, Forked(5, 105))
    assert Spawn(6, 0, 2, 4) in acts(tell(fleet, 15.0, Ready(5)))


def test_a_reload_has_succeeded_when_only_new_code_answers() -> None:
    fleet = serving(pooled(most=1, least=1))
    moved(fleet)
    assert state(fleet) is ReloadState.SUCCEEDED


def test_the_old_pool_goes_with_the_last_worker_of_its_code() -> None:
    fleet = serving(pooled(most=1, least=1))
    moved(fleet)
    assert acts(tell(fleet, 12.0, Exited(3, -9))) == [SpawnPool(7, 0, 1, 1)]  # replaced till then
    born(fleet, 7, now=12.0)
    assert acts(tell(fleet, 13.0, Exited(2, 0))) == [AskToStop(7, HURRY)]
    assert acts(tell(fleet, 13.0, PoolWanted(1))) == []
    assert acts(tell(fleet, 13.0, Exited(7, 0))) == [AskToStop(1, 0.0)]  # templates outlive it


def test_one_of_the_old_pool_that_does_not_go_is_killed_and_holds_up_nothing() -> None:
    fleet = serving(pooled(most=1, least=1))
    moved(fleet)
    tell(fleet, 13.0, Exited(2, 0))
    assert fleet.state == "serving"
    due = fleet.next_deadline()
    assert due == 13.0 + HURRY + KILL_GRACE
    assert fleet.tick(due) == [Kill(3, "did not finish in time")]
    assert acts(tell(fleet, due, Exited(3, -9))) == [AskToStop(1, 0.0)]


def test_one_of_a_failed_reloads_pool_that_does_not_go_is_killed() -> None:
    fleet = serving(pooled(most=1, least=1))
    reloading(fleet, 4)
    born(fleet, 5, now=10.0)
    tell(fleet, 10.0, Forked(6, 106), Exited(6, 1))
    due = fleet.next_deadline()
    assert due == 10.0 + HURRY + KILL_GRACE
    assert fleet.tick(due) == [Kill(5, "did not finish in time")]
    assert acts(tell(fleet, due, Exited(5, -9))) == [AskToStop(4, 0.0)]


def test_one_of_the_old_pool_that_was_killed_is_not_told_to_go() -> None:
    fleet = serving(pooled(most=1, least=1))
    moved(fleet)
    tell(fleet, 13.0, Overgrown(3, "its task was to end"))
    assert acts(tell(fleet, 13.0, Exited(2, 0))) == []
    assert acts(tell(fleet, 13.0, Exited(3, -9))) == [AskToStop(1, 0.0)]


def test_an_early_death_of_the_new_pool_refutes_the_new_code() -> None:
    fleet = serving(pooled(most=1, least=1))
    reloading(fleet, 4, 10.0)
    tell(fleet, 10.0, Forked(5, 105))
    orders = acts(tell(fleet, 10.0, Exited(5, 1)))
    assert state(fleet) is ReloadState.FAILED
    assert fleet.reload is not None
    assert fleet.reload.reason == "pool process 0 exited with code 1 before it was ready"
    assert not any(isinstance(each, Spawn) for each in orders)  # nobody had left the old code
    assert not any(isinstance(each, SpawnPool) for each in fleet.tick(11.0))  # nor is it retried


def test_a_reload_that_fails_ends_the_new_pool() -> None:
    fleet = serving(pooled(most=1, least=1))
    reloading(fleet, 4)
    born(fleet, 5, now=10.0)
    assert AskToStop(5, HURRY) in tell(fleet, 10.0, Forked(6, 106), Exited(6, 1))
    assert state(fleet) is ReloadState.FAILED


def test_a_task_that_kills_its_process_speaks_against_no_code() -> None:
    fleet, now, id = serving(pooled(most=1, least=1)), 10.0, 5
    reloading(fleet, 4)
    born(fleet, id, now=now)
    born(fleet, 6, now=now)  # the worker, in whose startup there may be tasks
    for _ in range(5):
        orders = tell(fleet, now, Exited(id, -9))
        assert notes(orders) == []
        id, now = successor(fleet, now)
        born(fleet, id, now=now)
    tell(fleet, 11.0, Proven(6), LeftRotation(2))
    assert state(fleet) is ReloadState.SUCCEEDED


def test_who_is_killed_for_a_task_that_it_has_not_begun_speaks_against_no_code() -> None:
    fleet = serving(pooled(most=1, least=1))
    reloading(fleet, 4)
    born(fleet, 5, now=10.0)
    assert Kill(5, "its task was to end") in tell(fleet, 10.5, Overgrown(5, "its task was to end"))
    orders = tell(fleet, 10.5, Exited(5, -9, was_idle=True))
    assert acts(orders) == [SpawnPool(7, 0, 2, 4)]
    assert notes(orders) == []
    assert state(fleet) is ReloadState.RUNNING


def test_a_new_pool_has_a_trial_also_where_a_worker_needs_none() -> None:
    fleet = serving(pooled(most=1, least=1))
    reloading(fleet, 4)
    assert Spawn(6, 0, 2, 4) in born(fleet, 5, now=10.0)
    tell(fleet, 10.0, Exited(2, -9))  # so nothing serves
    assert Admit(6) in born(fleet, 6, now=10.2)
    assert state(fleet) is ReloadState.RUNNING
    tell(fleet, 10.5, Exited(5, 1, was_idle=True))
    assert state(fleet) is ReloadState.FAILED
    assert fleet.generation.number == 1


def test_who_dies_without_ever_having_had_a_task_refutes_new_code() -> None:
    fleet = serving(pooled(most=1, least=1))
    reloading(fleet, 4)
    born(fleet, 5, now=10.0)
    tell(fleet, 10.5, Exited(5, 1, was_idle=True))
    assert fleet.reload is not None
    assert fleet.reload.state is ReloadState.FAILED
    assert fleet.reload.reason == "pool process 0 exited with code 1 0.5 s after it was ready"


def test_without_its_own_template_a_pool_gets_late_code_rather_than_nobody() -> None:
    fleet = serving(pooled(most=1, least=1))
    reloading(fleet, 4)
    assert acts(tell(fleet, 10.0, Exited(1, -9))) == []
    assert acts(tell(fleet, 10.0, Exited(3, -9))) == [SpawnPool(6, 0, 1, 4)]


# -- the end -----------------------------------------------------------------


def test_workers_end_first_then_the_pool_then_the_template() -> None:
    fleet = serving(pooled(most=2, least=1))
    tell(fleet, 5.0, PoolWanted(1))  # 4 is on its way
    assert acts(tell(fleet, 5.0, StopRequested())) == [CloseListeners(), AskToStop(2, GRACE)]
    assert acts(tell(fleet, 5.0, PoolWanted(1), Forked(4, 104))) == []
    orders = acts(tell(fleet, 6.0, LeftRotation(2), Exited(2, 0)))
    assert orders == [AskToStop(3, HURRY), AskToStop(4, HURRY)]
    assert acts(tell(fleet, 6.0, Exited(3, 0))) == []
    assert acts(tell(fleet, 6.0, Exited(4, 0))) == [AskToStop(1, 0.0)]
    assert acts(tell(fleet, 6.0, Exited(1, 0))) == [Finish(ExitCode.OK)]


def test_while_workers_end_who_dies_in_their_pool_is_replaced() -> None:
    fleet = serving(pooled(most=1, least=1))
    tell(fleet, 5.0, StopRequested())
    assert acts(tell(fleet, 5.0, Exited(3, -9))) == [SpawnPool(4, 0, 1, 1)]
    assert born(fleet, 4, now=5.0) == [OpenPool(4)]
    assert acts(tell(fleet, 5.5, Exited(4, -9))) == [SpawnPool(5, 0, 1, 1)]
    born(fleet, 5, now=5.5)
    assert acts(tell(fleet, 5.9, Exited(5, -9))) == []
    due = fleet.next_deadline()
    assert due == pytest.approx(5.95)  # as before: a task is what kills it
    assert acts(fleet.tick(5.96)) == [SpawnPool(6, 0, 1, 1)]
    assert acts(tell(fleet, 6.0, Exited(2, 0))) == [AskToStop(6, HURRY)]
    assert acts(tell(fleet, 6.0, Exited(6, 1))) == [AskToStop(1, 0.0)]


def test_nobody_comes_any_more_when_the_last_worker_has_gone() -> None:
    fleet = serving(pooled())
    tell(fleet, 5.0, StopRequested(), LeftRotation(2), Exited(2, 0))
    assert acts(tell(fleet, 5.0, Exited(3, -9))) == []
    assert fleet.next_deadline() == 5.0 + HURRY + KILL_GRACE


def test_nobody_comes_to_a_pool_that_never_came_while_all_end() -> None:
    fleet = starting(pooled(most=1, least=1))
    born(fleet, 2)
    tell(fleet, 0.0, Forked(3, 103), Failed(3, Stage.IMPORT, "no module", "…"), Exited(3, 1))
    assert fleet.state == "stopping"
    assert acts(fleet.tick(0.2)) == []


# -- a pool without workers --------------------------------------------------


def test_a_pool_alone_is_up_when_it_is_there() -> None:
    fleet = starting(pooled(0))
    assert fleet.state == "starting"
    assert born(fleet, 2) == [OpenPool(2)]
    assert born(fleet, 3) == [OpenPool(3), AnnounceReady()]
    assert fleet.state == "serving"


def test_a_pool_alone_that_may_be_empty_is_up_when_its_template_is_ready() -> None:
    fleet = Fleet(pooled(0, most=2, least=0))
    assert fleet.start(0.0) == [StartTemplate(1, 1, loaded=True)]
    assert tell(fleet, 0.0, Forked(1, 101)) == []
    assert fleet.state == "starting"
    assert tell(fleet, 0.0, Ready(1)) == [AnnounceReady()]
    assert fleet.state == "serving"


def test_a_pool_alone_that_may_be_empty_never_is_up_where_its_template_fails() -> None:
    fleet = Fleet(pooled(0, most=2, least=0))
    fleet.start(0.0)
    orders = tell(fleet, 0.0, Forked(1, 101), Failed(1, Stage.IMPORT, "boom", "…"), Exited(1, 1))
    assert AnnounceReady() not in orders
    assert Finish(ExitCode.APP_IMPORT) in orders


def test_a_pool_alone_is_not_scaled() -> None:
    [note] = tell(bare(), 5.0, ScaleRequested(1))
    assert isinstance(note, Note)
    assert note.fields == (("reason", "it has no workers"),)


def test_a_pool_alone_that_never_comes_gives_up() -> None:
    fleet = starting(pooled(0, most=1, least=1))
    assert "giving_up" in notes(fail_thrice(fleet, 2))
    assert tell(fleet, 5.0, Exited(1, 0)) == [Finish(ExitCode.APP_START)]


def test_a_pool_alone_has_time_to_finish_its_tasks() -> None:
    fleet = bare()
    orders = acts(tell(fleet, 5.0, StopRequested()))
    assert orders == [CloseListeners(), AskToStop(2, GRACE), AskToStop(3, GRACE)]
    assert acts(tell(fleet, 5.0, QuitRequested())) == [AskToStop(2, 0.0), AskToStop(3, 0.0)]
    assert acts(tell(fleet, 5.0, Exited(2, 0), Exited(3, 0))) == [AskToStop(1, 0.0)]
    assert tell(fleet, 5.0, Exited(1, 0)) == [Finish(ExitCode.OK)]


def test_a_reload_of_a_pool_alone_replaces_it_when_the_new_one_is_there() -> None:
    fleet = bare()
    assert reloading(fleet, 4) == [SpawnPool(5, 0, 2, 4), SpawnPool(6, 1, 2, 4)]
    assert born(fleet, 5, now=10.0) == [OpenPool(5)]
    assert born(fleet, 6, now=10.5) == [OpenPool(6)]
    assert state(fleet) is ReloadState.RUNNING
    assert fleet.next_deadline() == 10.5 + TRIAL
    assert acts(fleet.tick(10.5 + TRIAL)) == [AskToStop(2, GRACE), AskToStop(3, GRACE)]
    assert state(fleet) is ReloadState.SUCCEEDED
    assert acts(tell(fleet, 12.0, Exited(2, 0), Exited(3, 0))) == [AskToStop(1, 0.0)]


def test_a_trial_of_a_pool_is_not_begun_anew_by_a_task_that_kills() -> None:
    fleet = bare(most=1, least=1)
    reloading(fleet, 3)
    born(fleet, 4, now=10.0)
    assert acts(tell(fleet, 10.9, Exited(4, -9))) == [SpawnPool(5, 0, 2, 3)]
    assert fleet.next_deadline() == 20.9  # of its start
    assert acts(fleet.tick(11.0)) == []
    assert born(fleet, 5, now=11.5) == [OpenPool(5), AskToStop(2, GRACE)]
    assert state(fleet) is ReloadState.SUCCEEDED


def test_new_code_whose_pool_dies_on_trial_does_not_replace_the_old_one() -> None:
    fleet = bare(most=1, least=1)
    reloading(fleet, 3)
    born(fleet, 4, now=10.0)
    orders = tell(fleet, 10.5, Exited(4, 1, was_idle=True))
    assert state(fleet) is ReloadState.FAILED
    assert acts(orders) == [AskToStop(3, 0.0)]
    assert members(fleet) == [(2, 0, Phase.READY)]


def test_a_pool_alone_keeps_its_code_where_new_code_fails() -> None:
    fleet = bare(most=1, least=1)
    assert reloading(fleet, 3) == [SpawnPool(4, 0, 2, 3)]
    orders = tell(fleet, 10.0, Forked(4, 104), Exited(4, 1))
    assert state(fleet) is ReloadState.FAILED
    assert acts(orders) == [AskToStop(3, 0.0)]  # the new template
    assert fleet.generation.number == 1
    assert fleet.state == "serving"


def test_an_empty_pool_alone_has_new_code_when_its_template_has() -> None:
    fleet = bare(most=1, least=0)
    tell(fleet, 1.0, PoolWanted(1))
    born(fleet, 2, now=1.0)  # from here on it serves
    assert reloading(fleet, 3, now=5.0) == [AskToStop(2, GRACE)]
    assert state(fleet) is ReloadState.SUCCEEDED


def test_a_pool_alone_waits_for_code_and_begins_anew_with_it() -> None:
    fleet = starting(replace(pooled(0, most=2, least=2), waits_for_code=True))
    tell(fleet, 0.0, Forked(2, 102), Failed(2, Stage.STARTUP, "boom"))
    assert notes(tell(fleet, 0.0, Exited(2, 1))) == ["waiting_for_change"]
    orders = acts(tell(fleet, 1.0, ReloadRequested()))
    assert orders == [StartTemplate(4, 2, loaded=True), AskToStop(3, GRACE)]
    tell(fleet, 1.0, Forked(3, 103), Exited(3, 0), Exited(1, 0))
    assert born(fleet, 4, now=1.0) == [SpawnPool(5, 0, 2, 4), SpawnPool(6, 1, 2, 4)]
    tell(fleet, 1.0, Forked(5, 105), Exited(5, 1))
    assert state(fleet) is ReloadState.FAILED
    assert fleet.is_waiting_for_code
    born(fleet, 6, now=1.0)  # it does after all
    assert not fleet.is_waiting_for_code
