"""`make versus`: what its rows find is judged by prefork's promises, and shown as it is."""

import json
from pathlib import Path

import pytest
from benchmarks.bad_reloads import NEW, OLD, Life
from benchmarks.versus import deploys, pages, reloads, stop, table, wedge
from benchmarks.versus.__main__ import verdict
from benchmarks.versus.row import SHORT, Outcome
from benchmarks.versus.table import OURS, ROWS
from benchmarks.versus.toll import toll
from benchmarks.versus.wedge import Notice
from tests.support.tidings import Failure, Report
from tests.support.wire import Kind


def report(*failures: Failure) -> Report:
    return Report(served=100, failures=list(failures))


def failure(kind: Kind = Kind.RESET, at: float = 0.0) -> Failure:
    return Failure(at, kind.value, "posting", "127.0.1.1:9", 1)


def test_one_lost_request_breaks_the_promise_of_reloads() -> None:
    assert reloads.judged(report(), SHORT.reloads, SHORT).is_kept
    lost = reloads.judged(report(failure()), SHORT.reloads, SHORT)
    assert (lost.cell, lost.is_kept) == ("1 of 101", False)


def test_a_reload_that_never_came_to_its_end_breaks_the_promise() -> None:
    outcome = reloads.judged(report(), SHORT.reloads - 1, SHORT)
    assert (outcome.cell, outcome.is_kept) == ("0 of 100, 1 of 2 loaded", False)


def life(serves: list[str], *, lost: int = 0, exit_code: int | None = None) -> Life:
    failures = {"reset": lost} if lost else {}
    return Life(100, failures, 0.1, serves, exit_code, 1, True, [])


def test_a_deploy_is_judged_by_who_serves_and_what_was_lost() -> None:
    assert deploys.judged(life([OLD]), [OLD]).is_kept
    assert deploys.judged(life([OLD]), [OLD]).cell == "0 of 100, old code, reload reported failed"
    assert not deploys.judged(life([OLD, NEW]), [OLD]).is_kept
    assert not deploys.judged(life([OLD], lost=1), [OLD]).is_kept
    assert deploys.judged(life([OLD], exit_code=1), [OLD]).cell.startswith("0 of 100, **exited**")


@pytest.mark.parametrize(
    ("beyond", "status", "code", "is_promised"),
    [
        (0.2, 503, stop.CUT, True),
        (stop.SLACK + 1, 503, stop.CUT, False),
        (0.2, None, stop.CUT, False),
        (0.2, 503, 0, False),
    ],
    ids=["as promised", "too late", "no answer", "exit code says nothing"],
)
def test_a_stop_is_judged_by_its_time_its_answer_and_its_exit_code(
    beyond: float, status: int | None, code: int, is_promised: bool
) -> None:
    assert stop.is_promised(beyond, status, code) is is_promised


def log(place: Path, *connections: int) -> Path:
    """Write a log in which workers die that hold so many connections."""
    entries = ({"event": "worker_exited", "connections": number} for number in connections)
    (place / "log").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return place / "log"


def test_a_killed_worker_may_cost_what_it_had_taken(tmp_path: Path) -> None:
    found = report(failure(at=10.2), failure(Kind.EOF, at=10.9))
    assert toll(found, [10.0], log(tmp_path, 2)).is_kept
    assert not toll(found, [10.0], log(tmp_path, 1)).is_kept
    assert not toll(found, [10.0], log(tmp_path)).is_kept


@pytest.mark.parametrize(
    "stray",
    [
        failure(at=11.5),
        failure(at=9.9),
        failure(Kind.REFUSED, at=10.2),
        failure(Kind.TIMEOUT, 10.2),
    ],
    ids=["late", "before", "refused", "timed out"],
)
def test_what_no_death_explains_is_stray(tmp_path: Path, stray: Failure) -> None:
    cost = toll(report(stray), [10.0], log(tmp_path, 2))
    assert (cost.strays, cost.is_kept) == (1, False)
    assert cost.told("old code") == "1 of 101, taken 2, stray 1, old code"


@pytest.mark.parametrize(
    ("slowest", "noticed", "is_kept"),
    [
        (0.3, Notice(2.1, has_stack=True), True),
        (0.3, None, False),
        (0.3, Notice(2.1, has_stack=False), False),
        (0.3, Notice(20.0, has_stack=True), False),
        (4.5, Notice(2.1, has_stack=True), False),
    ],
    ids=["as promised", "unnoticed", "no stack", "late", "a client waited"],
)
def test_a_wedged_loop_must_be_noticed_soon_and_keep_nobody_waiting(
    slowest: float, noticed: Notice | None, is_kept: bool
) -> None:
    found = Report(served=100, slowest=slowest)
    assert wedge.judged(found, noticed).is_kept is is_kept


def test_the_exit_code_says_whether_prefork_is_as_it_promises(
    capsys: pytest.CaptureFixture[str],
) -> None:
    title = ROWS[0].title
    good, bad = Outcome("0 of 9", is_kept=True), Outcome("1 of 9", is_kept=False)
    assert verdict({title: {OURS: good, "uvicorn": bad}}) == 0
    assert verdict({title: {OURS: bad, "uvicorn": good}}) == 1
    assert f"not as promised: {title}: 1 of 9" in capsys.readouterr().err


def test_the_results_have_every_row_and_every_promise_kept() -> None:
    rounds = json.loads(pages.RESULTS.read_text())["rounds"]
    assert {title: list(row) for title, row in rounds.items()} == {
        row.title: list(row.among) for row in ROWS
    }
    assert [title for title, row in rounds.items() if not row[OURS]["is_kept"]] == []


def test_both_pages_show_the_results() -> None:
    """`python -m benchmarks.versus.pages` writes them anew."""
    assert pages.PAGE.read_text() == pages.made()
    assert pages.shown() == pages.short()


def test_no_two_rows_have_one_title() -> None:
    assert len({row.title for row in table.ROWS}) == len(ROWS)
