"""`make bench-thumbnails`: in small nothing fails, and prefork is judged by what it promises."""

import json
import math
import shutil
from dataclasses import replace

import msgspec
import pytest
from benchmarks import photos, report, thumbnails
from benchmarks.thumbnails import Calls, Effort, Life
from tests.support.pulse import Times

SHORT = Effort(rest=1, warm=1, load=1, size=(200, 150), clients=20)
CALM, BUSY = Calls(1000, 0, 0.5, 2.0), Calls(2000, 0, 0.8, 11.9)
GOOD = Life(CALM, BUSY, rate=40, failed=0, before=100, peak=200, after=109)
RESULTS = report.RESULTS / "thumbnails.json"


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
def test_thumbnails_are_made_and_nothing_fails() -> None:
    life = thumbnails.live(photos.POOL, SHORT)
    assert life.rate > 0
    assert (life.failed, life.rest.failed, life.strained.failed) == (0, 0, 0)
    assert life.rest.count > 0
    assert life.strained.count > 0
    assert min(life.before, life.peak, life.after) > 0


@pytest.mark.parametrize(
    ("life", "named"),
    [
        (GOOD, []),
        (replace(GOOD, strained=replace(BUSY, p99=12.0)), ["p99 of / is 10.0 ms more"]),
        (replace(GOOD, strained=replace(BUSY, failed=1)), ["1 requests failed"]),
        (replace(GOOD, failed=2), ["2 requests failed"]),
        (replace(GOOD, after=111), ["memory is 1.11 times"]),
    ],
    ids=["as promised", "slow", "unanswered", "posts failed", "grown"],
)
def test_prefork_is_judged(life: Life, named: list[str]) -> None:
    missed = list(thumbnails.missed([life]))
    assert len(missed) == len(named)
    assert all(told.startswith(name) for told, name in zip(missed, named, strict=True))


def test_a_server_that_never_answered_is_infinitely_slow() -> None:
    assert thumbnails.calls(Times(failed=["timed out"])) == Calls(0, 1, math.inf, math.inf)


def test_calls_are_those_on_kept_and_on_new_connections() -> None:
    assert thumbnails.calls(Times(kept=[0.001, 0.002], new=[0.5])) == Calls(3, 0, 2.0, 500.0)


def test_the_results_are_as_promised() -> None:
    rounds = json.loads(RESULTS.read_text())["rounds"]
    assert list(rounds) == list(thumbnails.WAYS)
    lives = msgspec.convert(rounds["in the pool"], list[Life])
    assert list(thumbnails.missed(lives)) == []
