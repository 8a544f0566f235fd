"""What the fleet is asked, and what is answered, verb by verb."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.control.rig import Answer, Rig
from tests.core.fleets import plan

from prefork.core.facts import Exited, Failed, Stage, StopRequested
from prefork.core.fleet import Fleet
from prefork.core.orders import StartTemplate


def progress(generation: int, state: str = "running", moved: int = 0, **fields: Any) -> Answer:
    """A line about a reload of four slots."""
    line = {"state": state, "generation": generation, "moved": moved, "slots": 4}
    return line | {"reason": "", "detail": "", "seconds": 0.0} | fields


def last_template(rig: Rig) -> int:
    return [order.id for order in rig.orders if isinstance(order, StartTemplate)][-1]


# -- reload ------------------------------------------------------------------


def test_a_reload_begins_and_its_generation_is_told(rig: Rig) -> None:
    assert rig.ask("reload") == [{"state": "running", "generation": 2}]
    assert any(isinstance(order, StartTemplate) for order in rig.orders)


def test_a_reload_during_a_reload_is_queued_once_however_often_it_is_asked_for(rig: Rig) -> None:
    rig.ask("reload")
    assert rig.ask("reload") == rig.ask("reload") == [{"state": "queued", "generation": 3}]


def test_a_reload_during_the_start_is_queued(path: Path) -> None:
    fleet = Fleet(plan(2))
    fleet.start(0)
    with closing(Rig(path, fleet)) as rig:
        assert rig.ask("reload") == [{"state": "queued", "generation": 2}]


def test_who_waits_is_told_of_every_slot_and_of_the_end(rig: Rig) -> None:
    caller = rig.caller()
    caller.say("reload", wait=True)
    rig.settle()
    assert caller.hear() == [{"state": "running", "generation": 2}, progress(2)]
    for now in range(5):
        rig.live(now)
    assert caller.hear() == [
        *(progress(2, moved=moved) for moved in (1, 2, 3, 4)),
        progress(2, "succeeded", 4, seconds=4.0),
    ]
    rig.ask("reload")
    assert caller.hear() == []  # it waits no more


def test_who_does_not_wait_is_told_nothing_more(rig: Rig) -> None:
    caller = rig.caller()
    caller.say("reload")
    rig.settle()
    caller.hear()
    rig.live(0)
    rig.live(1)
    assert caller.hear() == []


def test_a_failure_is_told_with_its_reason_and_the_applications_traceback(rig: Rig) -> None:
    caller = rig.caller()
    caller.say("reload", wait=True)
    rig.settle()
    template = last_template(rig)
    rig.tell(Failed(template, Stage.IMPORT, "ValueError: 7", "Traceback …"), now=1)
    rig.tell(Exited(template, 3), now=2)
    said = progress(2, "failed", reason="ValueError: 7", detail="Traceback …", seconds=2.0)
    assert caller.hear()[-1] == said


def test_a_reload_that_fails_at_once_is_told_all_the_same(rig: Rig) -> None:
    rig.forks = False
    begun, end = rig.ask("reload", wait=True)
    assert begun == {"state": "running", "generation": 2}
    assert end["state"] == "failed"


def test_who_waits_for_the_next_reload_hears_nothing_of_the_one_that_runs(rig: Rig) -> None:
    rig.ask("reload")
    caller = rig.caller()
    caller.say("reload", wait=True)
    rig.settle()
    rig.tell(Exited(last_template(rig), -9))
    assert caller.hear() == [{"state": "queued", "generation": 3}, progress(3)]


def test_a_stop_cancels_and_who_waits_for_what_was_queued_is_told_of_the_end(rig: Rig) -> None:
    first, second = rig.caller(), rig.caller()
    first.say("reload", wait=True)
    rig.settle()
    second.say("reload", wait=True)
    rig.settle()
    rig.tell(StopRequested())
    assert first.hear()[-1]["state"] == "cancelled"
    assert second.hear() == [{"state": "queued", "generation": 3}]
    rig.end(0)
    assert first.hear() == []
    assert second.hear() == [{"state": "stopped", "exit_code": 0}]


def test_who_asks_once_more_to_stop_hurries_nothing(rig: Rig) -> None:
    rig.ask("stop")
    rig.orders.clear()
    assert rig.ask("stop", wait=True) == [{"state": "stopping"}]
    assert rig.orders == []


# -- scale -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "workers"),
    [
        ({"workers": 7}, 7),
        ({"workers": 1}, 1),
        ({"by": 2}, 6),
        ({"by": -3}, 1),
        ({"by": 1020}, 1024),
    ],
)
def test_the_fleet_is_scaled_and_the_new_number_told(
    rig: Rig, fields: dict[str, int], workers: int
) -> None:
    assert rig.ask("scale", **fields) == [{"workers": workers}]
    assert len(rig.fleet.roster.slots) == workers


@pytest.mark.parametrize("fields", [{"workers": 4}, {"by": 0}])
def test_scaling_to_what_it_is_asks_nothing_of_the_fleet(rig: Rig, fields: dict[str, int]) -> None:
    assert rig.ask("scale", **fields) == [{"workers": 4}]
    assert rig.orders == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"workers": 0}, "that would leave no worker: it has 4, the least is 1"),
        ({"workers": -1}, "that would leave no worker: it has 4, the least is 1"),
        ({"by": -4}, "that would leave no worker: it has 4, the least is 1"),
        ({"by": 1021}, "that would make 1025 workers: it has 4, the most is 1024"),
        ({"workers": 10**200}, f"that would make 1{'0' * 99}… workers: it has 4, the most is 1024"),
    ],
)
def test_what_no_fleet_can_have_is_refused(rig: Rig, fields: dict[str, int], reason: str) -> None:
    assert rig.ask("scale", **fields) == [{"error": reason}]
    assert len(rig.fleet.roster.slots) == 4


# -- both --------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "fields"), [("reload", {}), ("scale", {"by": 1})])
def test_nothing_is_begun_while_it_stops(rig: Rig, verb: str, fields: dict[str, int]) -> None:
    rig.ask("stop")
    rig.orders.clear()
    assert rig.ask(verb, **fields) == [{"error": "it is stopping"}]
    assert rig.orders == []


def test_the_log_says_who_asked(rig: Rig, capfd: pytest.CaptureFixture[str]) -> None:
    rig.ask("reload")
    rig.ask("scale", workers=5)
    rig.ask("stop")
    said = [line.split(" info ")[1] for line in capfd.readouterr().err.splitlines()]
    assert said == [
        'reload_requested by="control socket"',
        'scale_requested workers=5 by="control socket"',
        'stop_requested by="control socket"',
    ]


# -- dump --------------------------------------------------------------------


def test_a_dump_is_answered_when_it_is_there_and_others_are_served_meanwhile(rig: Rig) -> None:
    caller = rig.caller()
    caller.say("dump", slot=0)
    rig.settle()
    assert caller.hear() == []
    assert rig.ask("stats")
    [then] = rig.inquiries
    then({"workers": []})
    assert caller.hear() == [{"workers": []}]


def test_a_dump_of_a_slot_without_a_worker_is_refused(rig: Rig) -> None:
    assert rig.ask("dump", slot=7) == [{"error": "there is no worker in slot 7 now"}]


def test_a_dump_for_a_client_that_has_left_disturbs_nobody(rig: Rig) -> None:
    caller = rig.caller()
    caller.say("dump")
    rig.settle()
    caller.socket.close()
    rig.settle()
    [then] = rig.inquiries
    then({"workers": []})
    assert rig.ask("stats")


def test_who_waits_for_a_dump_when_the_instance_ends_is_told(rig: Rig) -> None:
    caller = rig.caller()
    caller.say("dump")
    rig.settle()
    rig.end(0)
    assert caller.hear() == [{"state": "stopped", "exit_code": 0}]
    [then] = rig.inquiries
    then({"workers": []})  # nobody is there to be told
