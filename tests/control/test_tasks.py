"""Tasks are told of from the board and the timings, of the living; what waits is the workers'."""

import os

import pytest

from prefork.control.tasks import task, tasks
from prefork.core.process import Process, Role
from prefork.wire import label, timings
from prefork.wire.board import Board, Field
from prefork.wire.timings import Timings

NOW = 1000.0  # seconds
SECOND = 1_000_000_000


def timed() -> Timings:
    descriptor = timings.make(int(NOW * SECOND) - 10 * SECOND)
    memory = Timings.of(descriptor)
    os.close(descriptor)
    return memory


def test_a_process_tells_what_it_runs_and_since_when() -> None:
    line = Board(1).line(0)
    line[Field.TASKS] = 7
    label.write(line, "work:resize")
    assert task(line, NOW) == {"tasks": 7, "task": "", "task_seconds": None}
    line[Field.TASK], line[Field.TASK_SINCE] = 8, int(NOW * SECOND) - 3 * SECOND
    assert task(line, NOW) == {"tasks": 7, "task": "work:resize", "task_seconds": 3.0}
    assert task(line, NOW - 5)["task_seconds"] == 0.0, "it began after the clock was read"


def test_what_waits_and_runs_is_the_workers_and_how_long_it_took_the_processes() -> None:
    board, pool = Board(4), [Process(id, Role.POOL, 1, 0.0) for id in (11, 12, 13)]
    lines = {1: board.line(0), 2: board.line(1), 11: board.line(2), 12: board.line(3)}
    lines |= {13: Board(1).line(0)}
    for id in (1, 2):
        lines[id][Field.TASKS_WAITING], lines[id][Field.TASKS_RUNNING] = 10 * id, id
    known = {11: timed(), 12: timed()}  # 13 has died a moment ago
    known[11].note(SECOND // 1000, SECOND, int(NOW * SECOND))
    lines[12][Field.TASK], lines[12][Field.TASK_SINCE] = 5, int(NOW * SECOND) - 4 * SECOND
    told = tasks(pool, lines, known, NOW)
    assert (told["waiting"], told["running"], told["recent"]) == (30, 3, 1)
    assert told["utilisation"] == pytest.approx((1 + 4) / 20)
    assert told["wait"]["p50"] == pytest.approx(1.0, rel=0.065)
    assert told["run"]["p999"] == pytest.approx(1000.0, rel=0.065)


def test_without_tasks_there_is_nothing_to_tell_of_their_times() -> None:
    told = tasks([], {}, {}, NOW)
    assert (told["wait"], told["run"], told["utilisation"]) == (None, None, 0.0)
