from typing import Any

import pytest
from tests.support.instance import stats, worker

from prefork.control.show import Row, duration, instances, report, size, table, workers
from prefork.control.stats import Stats, read
from prefork.errors import ControlError


def seen(**fields: Any) -> Stats:
    return read("shop", stats(**fields))


def test_columns_align_and_numbers_stand_to_the_right() -> None:
    shown = table(("NAME", "PID"), [("a", "7"), ("longer", "1234")])
    assert shown.splitlines() == ["NAME     PID", "a          7", "longer  1234"]


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


def test_the_report_tells_instance_processes_and_workers() -> None:
    template = {"id": 1, "pid": 5, "state": "serving", "generation": 1, "uptime": 3.0}
    shown = report(seen(templates=[template], memory={"rss": 5 << 30, "pss": 1 << 20}))
    assert shown.startswith("app-8000: app:handler on 127.0.0.1:8000, rr\n")
    assert "serving for 1h 02m, generation 1, 2 of 2 workers ready" in shown
    assert "14 requests, 10 connections, 0 exits; memory 1 MiB (sum of RSS 5.0 GiB)" in shown
    assert any(line.startswith("template") for line in shown.splitlines())


def test_an_instance_cannot_move_the_cursor() -> None:
    shown = report(seen(app="\x1b[2J", state="\x1b[1m", bind=["\x1b[0m"]))
    assert "\x1b" not in shown
    assert "\x1b" not in instances([Row("a", 1, seen(state="\x1b[1m", bind=["\x1b[0m"]))])


def test_an_instance_is_healthy_when_every_wanted_worker_serves() -> None:
    assert seen().is_healthy
    assert not seen(workers_wanted=3).is_healthy
    assert not seen(workers=[worker(0), worker(1, state="starting")]).is_healthy
    assert seen(workers=[worker(0), worker(1), worker(1, state="draining")]).is_healthy


def test_an_answer_of_another_shape_is_an_error_that_names_the_instance() -> None:
    with pytest.raises(ControlError, match=r"^shop: its answer is not understood"):
        read("shop", {"name": "shop"})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.4, "0s"),
        (59.9, "59s"),
        (60, "1m 00s"),
        (3600, "1h 00m"),
        (86400 * 8 + 4 * 3600, "8d 04h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (1023, "1023 B"),
        (2048, "2 KiB"),
        (1 << 20, "1 MiB"),
        (1 << 31, "2.0 GiB"),
    ],
)
def test_a_size_has_its_largest_unit(value: int | None, text: str) -> None:
    assert size(value) == text
