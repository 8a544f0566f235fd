"""`make bench-topology`: in small nothing fails, with a pool and without."""

import shutil

import pytest
from benchmarks import topology
from benchmarks.load import Seen
from benchmarks.topology import TOPOLOGIES, Effort, Life, Topology

SHORT = Effort(json=1, load=1, size=(200, 150))


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
@pytest.mark.parametrize(
    "given", [TOPOLOGIES[0], TOPOLOGIES[-1]], ids=["one worker", "workers and a pool"]
)
def test_thumbnails_and_json_are_served_and_nothing_fails(given: Topology) -> None:
    life = topology.live(given, SHORT)
    for seen in (life.thumbnails, life.json):
        assert seen.rate > 0
        assert seen.p99 > 0
        assert seen.failed == 0
    assert life.memory > 0


def test_a_topology_is_named_by_what_it_has() -> None:
    assert [Topology(*each).name for each in ((1, 0), (4, 0), (1, 3), (2, 2))] == [
        "one worker",
        "4 workers",
        "one worker + pool of 3",
        "2 workers + pool of 2",
    ]


def life(rate: float, memory: float) -> Life:
    return Life(Seen(rate, 100, 1, 2.5), memory, Seen(100 * rate, 1000, 0, 0.25))


def test_shares_are_of_the_first_and_taken_round_by_round() -> None:
    lives = {"one worker": [life(10, 50), life(20, 50)], "two": [life(20, 100), life(40, 100)]}
    assert str(topology.shares(lives, lambda each: each.json.rate)["two"]) == "2.00 (2.00 to 2.00)"
    assert "| two | 30.0 | 2.50 | 2 | 100 | 3000 | 0.250 | 0 |" in str(topology.table(lives))
    assert topology.picture(lives).count(">two<") == 3
