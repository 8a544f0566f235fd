"""What a worker's silence means, as tables: when it is looked at, and what counts against it."""

import pytest

from prefork.core.facts import Blocked, Recovered, TimedOut, Verdict
from prefork.core.watch import COMPLAIN_EVERY, OVERSLEPT, Signs, Starved, Watch

Found = Blocked | TimedOut | Starved | Recovered | None


class Watched:
    """A watch of one worker, told as a primary would, at each moment that is due."""

    def __init__(self, warn: float = 2.0, timeout: float = 30.0) -> None:
        self.watch = Watch(warn, timeout)
        self.beat = 0.0
        self.thread_beats = True
        self.is_stopped = False
        self.share = 1.0  # of the time, that it has a core when it wants one
        self.found: list[tuple[float, Found]] = []
        self._now = 0.0
        self._delayed = 7.0  # before we looked for the first time

    def look(self, now: float) -> None:
        self._delayed += (now - self._now) * (1 - self.share)
        self._now = now
        self.watch.begin(now)
        found: Found = self.watch.hear(1, self.beat)
        if found is None and self.watch.is_suspect(1, now):
            thread = now if self.thread_beats else self.beat
            found = self.watch.judge(1, Signs(thread, self._delayed, self.is_stopped), now)
        if found is not None:
            self.found.append((now, found))
        self.watch.end({1}, now)

    def run(self, until: float, *, late: float = 0.0) -> None:
        """Look whenever it is due."""
        while self.watch.due is not None and self.watch.due + late <= until:
            self.look(self.watch.due + late)

    def told(self) -> list[tuple[float, str]]:
        return [(round(now, 2), type(found).__name__) for now, found in self.found]


def silent(warn: float = 2.0, timeout: float = 30.0, *, at: float = 10.0) -> Watched:
    """A worker that has beaten for the last time at *at*, and was seen a little later."""
    watched = Watched(warn, timeout)
    watched.beat = at
    watched.look(at + 0.1)
    return watched


def test_a_healthy_worker_is_looked_at_once_or_twice_a_second_and_never_closely() -> None:
    watched = Watched()
    watched.beat = 0.1
    watched.look(0.2)
    looks = 0
    while (due := watched.watch.due) is not None and due < 60:
        watched.beat = due - due % 0.5
        watched.look(due)
        looks += 1
    assert 55 <= looks <= 120
    assert watched.told() == []


@pytest.mark.parametrize(
    ("thread_beats", "is_stopped", "verdict"),
    [
        (True, False, Verdict.LOOP),
        (False, False, Verdict.INTERPRETER),
        (False, True, Verdict.STOPPED),
        (True, True, Verdict.STOPPED),  # stopped a moment ago, while its loop was blocked
    ],
)
def test_two_seconds_after_its_last_beat_a_worker_is_blocked_and_it_is_known_by_what(
    thread_beats: bool, is_stopped: bool, verdict: Verdict
) -> None:
    watched = silent()
    watched.thread_beats, watched.is_stopped = thread_beats, is_stopped
    watched.run(13.0)
    [(now, found)] = watched.found
    assert isinstance(found, Blocked)
    assert (round(now, 2), found.verdict, round(found.seconds, 2)) == (12, verdict, 2)
    assert watched.watch.verdict(1) is verdict


def test_after_the_timeout_that_is_told_once() -> None:
    watched = silent(timeout=5.0)
    watched.run(30.0)
    assert watched.told() == [(12.0, "Blocked"), (15.0, "TimedOut")]


def test_without_a_timeout_it_is_never_told() -> None:
    watched = silent(timeout=0.0)
    watched.run(1000.0)
    assert watched.told() == [(12.0, "Blocked")]


def test_a_timeout_below_the_warning_comes_right_after_it() -> None:
    watched = silent(warn=10.0, timeout=3.0)
    watched.run(20.0)
    assert watched.told() == [(13.0, "Blocked"), (13.25, "TimedOut")]


def test_a_beat_ends_it_and_tells_how_long_it_was() -> None:
    watched = silent()
    watched.run(14.0)
    watched.beat = 13.9
    watched.run(14.3)
    now, found = watched.found[1]
    assert isinstance(found, Recovered)
    assert 14 < now < 14.3
    assert found.seconds == pytest.approx(3.9)
    assert watched.watch.verdict(1) is None
    watched.run(17.0)
    assert watched.told()[2:] == [(15.9, "Blocked")], "and it begins anew"


def test_time_without_a_core_does_not_count() -> None:
    watched = silent(timeout=3.0)
    watched.share = 0.1
    watched.run(20.0)
    assert [type(found) for _, found in watched.found] == [Starved], "ten seconds, one of its own"
    watched.share = 1.0
    watched.run(30.0)
    assert [type(found) for _, found in watched.found[1:]] == [Blocked, TimedOut]


def test_a_worker_with_half_a_core_is_blocked_and_not_starved() -> None:
    watched = silent()
    watched.share = 0.6
    watched.run(15.0)
    [(now, found)] = watched.found
    assert isinstance(found, Blocked)
    assert 12.5 < now < 14


def test_starvation_is_told_once_a_minute() -> None:
    watched = silent()
    watched.share = 0.0
    watched.run(10.0 + 2.5 * COMPLAIN_EVERY)
    times = [now for now, _ in watched.found]
    assert len(times) == 3
    assert times[1] - times[0] >= COMPLAIN_EVERY


def test_that_is_so_over_beats_too() -> None:
    watched = silent()
    watched.share = 0.0
    watched.run(13.0)
    watched.beat = 13.0
    watched.run(20.0)
    assert watched.told() == [(12.0, "Starved")]


@pytest.mark.parametrize("at", [10.0, 10.6, 11.3, 11.9])
def test_ten_seconds_in_which_we_slept_too_long_count_against_nobody(at: float) -> None:
    watched = silent(timeout=3.0)
    watched.run(at)
    stopped = max(at, 10.1)
    if at > 10.5:
        watched.beat = 10.5  # not seen before everything was stopped
    watched.look(stopped + 10)
    watched.run(stopped + 10.9)  # its timer is overdue, so it beats as soon as it runs
    assert watched.told() == []
    watched.beat = stopped + 10.9
    watched.run(stopped + 12)
    assert watched.told() == []


def test_what_was_held_against_it_before_we_slept_still_is() -> None:
    watched = silent(timeout=6.0)
    watched.run(14.0)
    watched.look(24.0 + 0.25)
    watched.run(40.0)
    assert watched.told() == [(12.0, "Blocked"), (26.0, "TimedOut")]


def test_looks_that_are_a_little_late_change_nothing() -> None:
    watched = silent(timeout=5.0)
    watched.run(20.0, late=OVERSLEPT / 2)
    assert [name for _, name in watched.told()] == ["Blocked", "TimedOut"]
    assert watched.told()[1][0] < 15.6


def test_all_are_looked_at_together() -> None:
    watch = Watch(2.0, 30.0)
    watch.begin(10.0)
    for id in range(64):
        watch.hear(id, 9.5 + id / 128)
    watch.end(set(range(64)), 10.0)
    assert watch.due == pytest.approx(10.5)


def test_whoever_is_gone_is_forgotten() -> None:
    watched = silent()
    watched.run(12.5)
    watched.watch.begin(12.6)
    watched.watch.end(set(), 12.6)
    assert watched.watch.verdict(1) is None
    assert watched.watch.due is None


def test_a_worker_that_has_not_beaten_yet_is_looked_for() -> None:
    watch = Watch(2.0, 30.0)
    assert watch.due is None
    watch.await_first(5.0)
    assert watch.due == 6.0
    watch.await_first(5.5)
    assert watch.due == 6.0
    watch.begin(6.0)
    watch.end(set(), 6.0)
    assert watch.due is None
