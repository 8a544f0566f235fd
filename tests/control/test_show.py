from typing import Any

import pytest
from tests.support.instance import stats, worker

from prefork.control.show import (
    Row,
    instances,
    reload,
    report,
    status,
    workers,
)
from prefork.control.stats import Reload, Stats, read
from prefork.errors import ControlError

NOW = 1_800_000_000.0  # Unix seconds


def latest(state: str, **fields: Any) -> Reload:
    """A reload of four slots that began a minute ago, and may have ended 12 s ago."""
    finished = None if state == "running" else NOW - 12
    known = {"generation": 3, "moved": 1, "slots": 4, "started": NOW - 60, "finished": finished}
    return Reload(state=state, **(known | fields))


def seen(**fields: Any) -> Stats:
    return read("shop", stats(**fields))


def test_a_blocked_worker_is_shown_as_that_and_does_not_count_as_ready() -> None:
    blocked = seen(workers=[worker(0), worker(1, blocked="loop")])
    assert workers(blocked).splitlines()[2].split()[2] == "blocked"
    assert blocked.ready == 1
    assert not blocked.is_healthy


def test_status_has_a_line_per_worker_by_slot() -> None:
    shown = workers(seen(workers=[worker(1, pid=42, pss=3 << 20), worker(0, state="starting")]))
    head, first, second = shown.splitlines()
    assert head.split()[:5] == ["SLOT", "PID", "STATE", "GENERATION", "UPTIME"]
    assert first.split()[:3] == ["0", "-", "starting"]
    assert second.split()[:3] == ["1", "42", "serving"]
    assert second.endswith("3 MiB")
    assert "1m 01s" in second
    assert "0.2 ms" in second


def test_list_has_a_line_per_instance_and_marks_silent_ones() -> None:
    shown = instances([Row("app-8000", 7, seen(pid=7)), Row("wedged", 9, None)])
    head, first, second = shown.splitlines()
    assert head.split() == [
        *("NAME", "PID", "BIND", "WORKERS", "GENERATION", "STATE", "REQUESTS", "UPTIME")
    ]
    assert first.split() == [
        *("app-8000", "7", "127.0.0.1:8000", "2/2", "1", "serving", "14", "1h", "02m")
    ]
    assert second.split() == ["wedged", "9", "-", "-", "-", "silent", "-", "-"]


def test_one_of_a_thing_is_not_several() -> None:
    shown = report(seen(totals={"accepted": 1, "requests": 1, "exits": 1}), NOW)
    assert "1 request, 1 connection, 1 exit; memory" in shown


def test_the_report_tells_instance_processes_and_workers() -> None:
    template = {"id": 1, "pid": 5, "state": "serving", "generation": 1, "uptime": 3.0}
    aide = {"name": "watcher", "pid": 9, "uptime": 2.0}
    memory = {"rss": 5 << 30, "pss": 1 << 20}
    shown = report(seen(templates=[template], aides=[aide], memory=memory), NOW)
    assert shown.startswith("app-8000: app:handler on 127.0.0.1:8000, rr\n")
    assert "serving for 1h 02m, generation 1, 2 of 2 workers ready" in shown
    assert "14 requests, 10 connections, 0 exits; memory 1 MiB (sum of RSS 5.0 GiB)" in shown
    assert any(line.startswith("template") for line in shown.splitlines())
    assert any(line.split()[:2] == ["watcher", "9"] for line in shown.splitlines())


def test_the_report_has_a_line_per_generation_where_there_are_several() -> None:
    old = {"generation": 1, "workers": 2, "serving": 1, "templates": 1}
    new = {"generation": 2, "workers": 1, "serving": 0, "templates": 0}
    lines = report(seen(generations=[old, new]), NOW).splitlines()
    assert "generation 1: 2 workers, 1 serving, 1 template" in lines
    assert "generation 2: 1 worker, 0 serving, 0 templates" in lines
    assert "generation 1: " not in report(seen(generations=[old]), NOW)


@pytest.mark.parametrize(
    ("state", "fields", "said"),
    [
        ("running", {}, "reload to generation 3 running for 1m 00s: 1 of 4 workers moved"),
        ("failed", {"reason": "E: 7"}, "reload to generation 3 failed 12s ago: E: 7"),
        ("cancelled", {"reason": "stop"}, "reload to generation 3 cancelled 12s ago: stop"),
        (
            "succeeded",
            {"moved": 4},
            "reload to generation 3 succeeded 12s ago: 4 of 4 workers moved",
        ),
    ],
)
def test_the_report_has_a_line_for_the_latest_reload(
    state: str, fields: dict[str, Any], said: str
) -> None:
    stats = seen()
    stats.reload = latest(state, **fields)
    assert said in report(stats, NOW).splitlines()
    assert "reload" not in report(seen(), NOW)


def test_status_tells_of_the_latest_reload_where_it_failed() -> None:
    stats = seen()
    stats.reload = latest("succeeded")
    assert status(stats, NOW) == f"app-8000: serving, 2 of 2 workers ready\n{workers(stats)}"
    stats.reload = latest("failed", reason="E: 7")
    assert status(stats, NOW).endswith("\n\nreload to generation 3 failed 12s ago: E: 7")


def test_an_instance_cannot_move_the_cursor() -> None:
    shown = report(seen(app="\x1b[2J", state="\x1b[1m", bind=["\x1b[0m"]), NOW)
    assert "\x1b" not in shown
    assert "\x1b" not in reload(latest("\x1b[1m", reason="\x1b[2J"), NOW)
    assert "\x1b" not in instances([Row("a", 1, seen(state="\x1b[1m", bind=["\x1b[0m"]))])


def test_an_instance_is_healthy_when_every_wanted_worker_serves() -> None:
    assert seen().is_healthy
    assert not seen(workers_wanted=3).is_healthy
    assert not seen(state="degraded").is_healthy
    assert not seen(workers=[worker(0), worker(1, state="starting")]).is_healthy
    assert seen(workers=[worker(0), worker(1), worker(1, state="draining")]).is_healthy
    assert seen(
        workers=[worker(0), worker(1, state="leaving"), worker(1, state="ready")]
    ).is_healthy


def test_an_answer_of_another_shape_is_an_error_that_names_the_instance() -> None:
    with pytest.raises(ControlError, match=r"^shop: its answer is not understood"):
        read("shop", {"name": "shop"})


def test_the_pool_and_its_tasks_are_shown_where_there_is_one() -> None:
    process = {"id": 9, "pid": 42, "state": "ready", "generation": 1, "uptime": 61.0, "slot": 1}
    busy = process | {
        "slot": 0,
        "pid": 43,
        "tasks": 7,
        "task": "work:resize\x1b",
        "task_seconds": 3,
    }
    lasted = {"p50": 1.5, "p90": 2.0, "p99": 20.0, "p999": 30.0}
    tasks = {"waiting": 2, "running": 1, "done": 7, "run": lasted, "utilisation": 0.25}
    found = seen(pool=[process, busy], tasks=tasks)
    for shown in (status(found, NOW), report(found, NOW)):
        told, _, first, second = shown.splitlines()[-4:]
        assert told == "1 task running, 2 waiting, 7 done; pool 25 % busy, run 1.5 ms (p99 20.0 ms)"
        assert first.split()[:6] == ["0", "43", "ready", "1", "1m", "01s"]
        assert first.endswith("work:resize\\x1b for 3s")
        assert second.split()[:2] == ["1", "42"]
        assert second.endswith("-")
    assert "POOL" not in status(seen(), NOW)
    assert "POOL" not in report(seen(), NOW)


def test_a_pool_without_workers_is_shown_alone() -> None:
    process = {"id": 9, "pid": 42, "generation": 1, "uptime": 61.0}
    pool = [process | {"slot": 0, "state": "ready"}, process | {"slot": 1, "state": "draining"}]
    alone = seen(workers=[], workers_wanted=0, bind=[], pool=pool, pool_wanted=2)
    head, tasks, *_ = status(alone, NOW).splitlines()
    assert head == "app-8000: serving, a pool of 2, 1 ready"
    assert tasks.startswith("0 tasks running")
    shown = report(alone, NOW)
    assert shown.startswith("app-8000: app:handler\n")
    assert "SLOT" not in shown
    listed = instances([Row("app-8000", 42, alone)]).splitlines()[1]
    assert listed.split()[2:5] == ["-", "1", "serving"]


def test_a_pool_alone_in_which_nobody_is_now_is_shown_as_one() -> None:
    alone = seen(workers=[], workers_wanted=0, bind=[], pool_wanted=3)
    head, tasks, pool = status(alone, NOW).splitlines()
    assert head == "app-8000: serving, a pool of 3, 0 ready"
    assert tasks.startswith("0 tasks running")
    assert pool.startswith("POOL")
