"""`make bench-pool`: each pool answers what it is asked, and prefork's is judged by the bars."""

import json
from copy import deepcopy

import pytest
from benchmarks.pool import pages
from benchmarks.pool.__main__ import measure
from benchmarks.pool.contenders import CONTENDERS, CORES, EXECUTOR, LIMITS, OURS, missing
from benchmarks.pool.pages import Found
from benchmarks.pool.questions import BUSY, QUESTIONS, SHORT, TRIP

GOOD: Found = {  # seconds
    each.title: {
        name: [0.001 if name in (OURS, *LIMITS.values()) else 0.01]
        for name in filter(each.is_for, CONTENDERS)
    }
    for each in QUESTIONS
}


@pytest.mark.parametrize("name", [name for name in CONTENDERS if name not in LIMITS.values()])
def test_a_pool_gives_back_what_it_was_given(name: str) -> None:
    names = [name, LIMITS[name]]
    if lacks := [missing(each) for each in names if missing(each)]:
        pytest.skip(f"{lacks[0]}: see `make bench-pool`")
    found = measure(names, 1, SHORT)
    assert all(found[each.title][name][0] > 0 for each in QUESTIONS)
    assert found[BUSY.title][LIMITS[name]][0] > 0.0005  # tasks take their time


def test_every_bar_is_judged() -> None:
    assert [row[-1] for row in pages.bars(GOOD)] == ["kept"] * 5
    assert list(pages.missed(GOOD)) == []


@pytest.mark.parametrize(
    ("title", "seconds"),
    [(each.title, 0.009) for each in QUESTIONS if not each.is_rate and each.bars]
    + [(BUSY.title, 0.0011)],
)
def test_a_bar_that_is_missed_is_named(title: str, seconds: float) -> None:
    found = deepcopy(GOOD)
    found[title][OURS] = [seconds]
    first, *_ = pages.missed(found)
    assert first.startswith(title)
    assert "**missed**" in "\n".join(map(str, pages.tables(found)))


def test_a_share_is_taken_round_by_round() -> None:
    found = deepcopy(GOOD)
    found[TRIP.title].update({OURS: [1, 10, 100], EXECUTOR: [2, 20, 200]})
    assert str(pages.share(TRIP, found, EXECUTOR)) == "0.50 (0.50 to 0.50)"
    found[BUSY.title].update({OURS: [4], CORES: [3]})
    assert pages.share(BUSY, found, CORES).middle == 0.75  # of the rate


def test_a_pool_that_is_not_here_is_not_judged() -> None:
    found = {title: {OURS: taken[OURS]} for title, taken in GOOD.items()}
    assert {row[3] for row in pages.bars(found)} == {"not measured"}
    assert list(pages.missed(found)) == []


def test_the_page_shows_the_results_and_every_bar_is_kept() -> None:
    """`python -m benchmarks.pool.pages` writes it anew."""
    assert pages.PAGE.read_text() == pages.made()
    assert list(pages.missed(json.loads(pages.RESULTS.read_text())["rounds"])) == []
