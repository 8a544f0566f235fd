"""Timings tell how long the tasks of the last half minute waited and ran, within 6 %."""

import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from prefork.wire import timings
from prefork.wire.timings import WINDOW, Summary, Timings, summary

MICRO, MILLI, SECOND = 1_000, 1_000_000, 1_000_000_000
START = 7 * WINDOW  # nanoseconds: a window begins


def made(now: int = START) -> Timings:
    descriptor = timings.make(now)
    memory = Timings.of(descriptor)
    os.close(descriptor)
    return memory


def told(memory: Timings, now: int) -> Summary:
    return summary([memory.seen(now)])


def test_of_no_tasks_there_is_nothing_to_tell() -> None:
    assert told(made(), START) == Summary(0, (), (), 0.0)
    assert summary([]) == Summary(0, (), (), 0.0)


@pytest.mark.parametrize(
    "duration",
    [1024, 2047, 17 * MICRO, MILLI, 33 * MILLI, SECOND, 999 * SECOND],
)
def test_a_duration_is_told_within_six_percent(duration: int) -> None:
    memory = made()
    memory.note(duration, 3 * duration, START)
    seen = told(memory, START + SECOND)
    assert seen.wait == pytest.approx([duration / MILLI] * 4, rel=0.065)
    if 3 * duration < 1000 * SECOND:
        assert seen.run == pytest.approx([3 * duration / MILLI] * 4, rel=0.065)


def test_what_is_beyond_the_scale_counts_as_its_ends() -> None:
    memory = made()
    memory.note(0, 10**6 * SECOND, START)
    seen = told(memory, START + SECOND)
    assert seen.wait[0] < 0.0012
    assert 900_000 < seen.run[0] < 1_100_000


def test_quantiles_are_those_of_the_durations() -> None:
    memory, chance = made(), random.Random(7)
    durations = [int(chance.lognormvariate(0, 2) * MILLI) + MICRO for _ in range(20_000)]
    for each in durations:
        memory.note(each, each, START + SECOND)
    durations.sort()
    exact = [durations[int(q * len(durations))] / MILLI for q in (0.5, 0.9, 0.99, 0.999)]
    seen = told(memory, START + 2 * SECOND)
    assert seen.count == 20_000
    assert seen.wait == seen.run == pytest.approx(exact, rel=0.08)


def test_another_process_reads_them_while_one_writes() -> None:
    descriptor = timings.make(START)
    pid = os.fork()
    if pid == 0:
        Timings.of(descriptor).note(MILLI, MILLI, START)
        os._exit(0)
    os.waitpid(pid, 0)
    assert told(Timings.of(descriptor), START).count == 1
    os.close(descriptor)


def test_what_is_older_than_a_window_and_a_half_is_forgotten() -> None:
    memory = made()
    memory.note(MILLI, MILLI, START)
    counts = [told(memory, START + n * WINDOW // 2).count for n in range(6)]
    assert counts == [1, 1, 1, 1, 0, 0]


def test_a_window_is_cleared_when_its_turn_comes_again() -> None:
    memory = made()
    for turn in range(5):
        memory.note(MILLI, MILLI, START + turn * WINDOW)
        assert told(memory, START + turn * WINDOW).count == min(2, turn + 1)


def test_who_maps_them_again_goes_on_counting() -> None:
    descriptor = timings.make(START)
    Timings.of(descriptor).note(MILLI, MILLI, START)
    again = Timings.of(descriptor)
    again.note(MILLI, MILLI, START)
    assert told(again, START).count == 2
    os.close(descriptor)


def test_a_window_that_is_being_cleared_is_not_read() -> None:
    memory = made()
    memory.note(MILLI, MILLI, START)
    at = next(n for n, word in enumerate(memory._words) if word == START // WINDOW + 1)
    memory._words[at] = 0
    assert told(memory, START).count == 0


class Watched:
    """Memory at which somebody looks while a window is being cleared, and is half so."""

    def __init__(self, words: memoryview, look: Callable[[], None]) -> None:
        self._words = words
        self._look = look

    def __getitem__(self, at: int) -> int:
        return int(self._words[at])

    def __setitem__(self, at: Any, value: Any) -> None:
        if isinstance(at, slice):
            half = (at.stop - at.start) // 2
            self._words[at.start : at.start + half] = memoryview(bytes(8 * half)).cast("Q")
            self._look()
        self._words[at] = value


def test_who_looks_while_a_window_is_cleared_sees_all_of_it_or_nothing() -> None:
    descriptor, counts = timings.make(START), []
    reader, writer = Timings.of(descriptor), Timings.of(descriptor)
    os.close(descriptor)
    writer.note(MILLI, SECOND, START)
    late = START + 2 * WINDOW
    writer._words = Watched(  # type: ignore[assignment]
        writer._words, lambda: counts.append((told(reader, late - 1), told(reader, late)))
    )
    writer.note(MILLI, MILLI, late)
    assert counts == [(Summary(0, (), (), 0.0), Summary(0, (), (), 0.0))]


def test_busy_is_the_part_of_the_time_that_tasks_ran() -> None:
    memory = made(START - 2 * WINDOW)
    memory.note(0, 15 * SECOND, START - WINDOW)
    assert told(memory, START).busy == pytest.approx(15 / 30)
    assert told(memory, START + WINDOW // 2).busy == pytest.approx(15 / 45)


def test_who_is_young_is_judged_by_its_own_time() -> None:
    memory = made(START + 10 * SECOND)
    memory.note(0, SECOND, START + 12 * SECOND)
    assert told(memory, START + 12 * SECOND).busy == pytest.approx(1 / 2)


def test_a_task_that_runs_still_is_busy_and_nothing_else() -> None:
    memory = made()
    now = START + 10 * SECOND
    seen = summary([memory.seen(now, since=now - 5 * SECOND), made().seen(now)])
    assert (seen.count, seen.run) == (0, ())
    assert seen.busy == pytest.approx(5 / 20)


def test_nobody_is_busy_for_more_than_all_of_the_time() -> None:
    memory = made()
    memory.note(0, 100 * SECOND, START + SECOND)
    assert told(memory, START + SECOND).busy == 1.0


def test_several_processes_add_up() -> None:
    first, second = made(), made()
    for _ in range(9):
        first.note(MILLI, MILLI, START)
    second.note(SECOND, SECOND, START)
    seen = summary([each.seen(START + 20 * SECOND) for each in (first, second)])
    assert seen.count == 10
    assert seen.run[0] == pytest.approx(1.0, rel=0.065)
    assert seen.run[3] == pytest.approx(1000.0, rel=0.065)
