"""Workers that are replaced for what they have done, lived or grown to: nobody notices."""

import threading

import pytest
from tests.process.conftest import Serve
from tests.support import pacing, processes
from tests.support.load import Load
from tests.support.pacing import beats
from tests.support.program import Program
from tests.support.tidings import Plan

from prefork.settings.size import bytes_of

MEBI = 1 << 20
APP = "tests.support.leaky:handler"
LOOK = 0.1  # seconds between two looks at memory


class Fattest:
    """Looks at the memory of all workers, as long as the context is open."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.peak = 0  # bytes of the largest

    def _watch(self) -> None:
        while not self._over.wait(LOOK):
            for pid in self._program.tree():
                self.peak = max(self.peak, processes.own_rss(pid))

    def __enter__(self) -> "Fattest":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize("policy", ["rr", "reuseport"])
@pytest.mark.parametrize(
    ("limit", "seconds", "least"),
    [("100MB", 5, 2), pytest.param("200MB", 60, 8, marks=pytest.mark.slow)],
)
def test_a_leak_is_bounded_and_loses_nothing(
    serve: Serve, policy: str, limit: str, seconds: int, least: int
) -> None:
    """A worker leaks some 50 MB a second here; it is looked at twice a second."""
    program = serve("-w", "2", "--policy", policy, "--max-memory", limit, app=APP)
    kinds = Plan(port=program.port, per_request=4, keep_alive=4, posting=4, pause=0.1)
    with Fattest(program) as fattest, Load(kinds) as load:
        pacing.hold(seconds)
        report = load.report()
    assert report.failures == []
    assert report.served > 60 * seconds
    recycled = program.journal.entries("worker_recycled")
    assert len(recycled) >= least
    for each in recycled:
        assert each["reason"].endswith(" MiB of memory (max_memory)"), each
    exits = program.journal.entries("worker_exited")
    assert {each["status"] for each in exits} <= {0}
    assert program.journal.entries("memory_exceeded") == []
    assert fattest.peak < 2 * bytes_of(limit), f"{fattest.peak // MEBI} MiB"
    told = program.stats()["workers"]
    assert sum(worker["recycled"] for worker in told) >= len(exits)
    assert sum(worker["restarts"] for worker in told) == 0


def test_workers_are_recycled_one_after_another(serve: Serve) -> None:
    """Four have answered enough at the same time, and yet no two are replaced at a time."""
    options = ("-w", "4", "--max-requests", "50", "--max-requests-jitter", "20")
    program = serve(*options)
    first = program.workers(4)
    kinds = Plan(port=program.port, per_request=4, keep_alive=4, posting=4, pause=0.01)
    with Load(kinds) as load:
        for _ in beats(LOOK, 20):
            stats = program.stats()
            serving = [each for each in stats["workers"] if each["state"] in ("serving", "leaving")]
            assert len(serving) >= 4, stats
            assert sum(each["state"] == "leaving" for each in serving) <= 1, stats
            if not set(first) & {each["pid"] for each in serving}:
                break
        report = load.report()
    assert report.failures == []
    assert not set(first) & set(program.workers(4))
    reasons = [each["reason"] for each in program.journal.entries("worker_recycled")]
    assert all(reason.endswith(" requests (max_requests)") for reason in reasons)


def test_a_life_has_an_end(serve: Serve) -> None:
    program = serve("-w", "1", "--max-lifetime", "0.5")
    (first,) = program.workers(1)
    told = program.journal.wait_for("worker_recycled")[0]
    assert told["pid"] == first
    assert told["reason"].endswith("s of life (max_lifetime)")
    program.settled(lambda stats: all(each["pid"] != first for each in stats["workers"]))


def test_one_that_grows_beyond_measure_is_killed_and_the_log_says_why(serve: Serve) -> None:
    program = serve("-w", "2", "--max-memory-hard", "150MB", app=APP)
    kinds = Plan(port=program.port, keep_alive=8, pause=0.0, most_failures=100)
    with Load(kinds) as load:
        program.journal.wait_for("memory_exceeded")
        exits = program.journal.wait_for("worker_exited")
        load.report()
    assert exits[0]["status"] == -9
    assert exits[0]["reason"].endswith(" MiB of memory (max_memory_hard)")
    program.workers(2)
