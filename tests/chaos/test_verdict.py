"""Each check sees what it is there for, and nothing else."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.chaos.evidence import Deed, Evidence, Rest, Sample
from tests.chaos.schedule import CLIENTS, WORKERS, Kind, schedule
from tests.chaos.timeline import START, Timeline
from tests.chaos.verdict import findings
from tests.core.fleets import plan
from tests.support.tidings import Answered, Failure
from tests.support.wire import Kind as How

from prefork.core.facts import Exited, Fact, Forked, Ready, StopRequested
from prefork.core.fleet import Fleet

KILLED_AT = 10.0
VICTIM = 102  # in slot 0
FACTS: list[tuple[float, Fact]] = [
    *((1.0, Forked(1, 101)), (1.0, Ready(1))),
    *((2.0, Forked(id, 100 + id)) for id in (2, 3, 4)),
    *((2.0, Ready(id)) for id in (2, 3, 4)),
    *((KILLED_AT + 0.01, Exited(2, -9)), (10.1, Forked(5, 105)), (10.2, Ready(5))),
    (20.0, StopRequested()),
    *((20.5, Exited(id, 0)) for id in (3, 4, 5)),
    (20.6, Exited(1, 0)),
]


def lived(facts: list[tuple[float, Fact]]) -> Timeline:
    """What a fleet of three makes of these."""
    timeline = Timeline(plan(WORKERS))
    fleet = Fleet(timeline.plan)
    timeline.note(0.0, START, fleet.start(0.0))
    for now, fact in facts:
        timeline.note(now, fact, fleet.handle(fact, now))
    return timeline


def sample(at: float, served: int, **others: str) -> Sample:
    """The state of each worker is *serving*, or as told by its slot: s0, s1, s2."""
    workers = [
        {
            "slot": slot,
            "id": 2 + slot,
            "pid": 102 + slot,
            "state": others.get(f"s{slot}", "serving"),
            "accepted": served,
            "requests": served,
        }
        for slot in range(WORKERS)
    ]
    counts = {"accepted": served, "requests": served, "exits": 0}
    return Sample(at, {"workers": workers, "totals": counts})


def good() -> Evidence:
    """A round in which a worker was killed, which cost one request."""
    round = replace(schedule(1, 20)[0], policy="rr")
    evidence = Evidence(round, lived(FACTS))
    evidence.deeds = [Deed(KILLED_AT, Kind.KILL, VICTIM)]
    evidence.samples = [sample(9.9, 10), sample(10.05, 20, s0="starting"), sample(10.3, 30)]
    evidence.report.failures = [failure()]
    evidence.report.answers = [Answered(103, "1", kind, 1000) for kind in CLIENTS]
    evidence.entries = [{"event": "worker_exited", "pid": VICTIM, "connections": 1}]
    held = Counter(socket=4)
    evidence.rest_before = evidence.rest_after = Rest(held, [held] * WORKERS, [], [])
    return evidence


def failure(at: float = 10.02, kind: How = How.RESET, pid: int = VICTIM) -> Failure:
    return Failure(at, kind.value, "posting", "127.0.1.1:4711", pid)


def test_a_good_round_has_no_finding() -> None:
    assert findings(good()) == []


def fails(*failures: Failure, connections: int = 9) -> Callable[[Evidence], None]:
    def spoil(evidence: Evidence) -> None:
        evidence.report.failures = list(failures)
        evidence.entries[0]["connections"] = connections

    return spoil


def was_not_us(evidence: Evidence) -> None:
    evidence.deeds.clear()


def stays(evidence: Evidence) -> None:
    facts = [each for each in FACTS if each[1] not in (Exited(4, 0), Exited(1, 0))]
    evidence.timeline = lived([*facts, (60.0, StopRequested())])


def sampled(*samples: Sample) -> Callable[[Evidence], None]:
    def spoil(evidence: Evidence) -> None:
        evidence.samples = list(samples)

    return spoil


def rested(**after: object) -> Callable[[Evidence], None]:
    def spoil(evidence: Evidence) -> None:
        assert evidence.rest_before is not None
        evidence.rest_after = replace(evidence.rest_before, **after)  # type: ignore[arg-type]

    return spoil


def ordered_otherwise(evidence: Evidence) -> None:
    told = evidence.timeline.told
    told[3] = replace(told[3], orders=("Kill(id=3)",))


def ends(**end: object) -> Callable[[Evidence], None]:
    def spoil(evidence: Evidence) -> None:
        evidence.end = replace(evidence.end, **end)  # type: ignore[arg-type]

    return spoil


def idles(evidence: Evidence) -> None:
    evidence.report.answers = evidence.report.answers[:2]


def breaks(evidence: Evidence) -> None:
    evidence.broken_off = "not well"


SPOILT: list[tuple[Callable[[Evidence], None], str]] = [
    (fails(failure(kind=How.REFUSED)), "of a kind that no death explains"),
    (fails(failure(kind=How.CONNECT_TIMEOUT)), "of a kind that no death explains"),
    (fails(failure(kind=How.TIMEOUT)), "of a kind that no death explains"),
    (fails(failure(kind=How.STATUS)), "of a kind that no death explains"),
    (fails(failure(at=KILLED_AT - 0.01)), "is not within 1.0 s of a kill"),
    (fails(failure(at=KILLED_AT + 1.1)), "is not within 1.0 s of a kill"),
    (fails(failure(pid=103)), "is not of a victim"),
    (fails(failure(), failure(), connections=1), "2 failures; the victims had 1 connections"),
    (was_not_us, "nothing explains Death(pid=102"),
    (sampled(sample(5.0, 10, s1="starting")), "nobody is ready in slot 1"),
    (sampled(sample(10.05, 10, s1="starting")), "nobody is ready in slot 1"),
    (sampled(sample(9.0, 10), sample(9.2, 9)), "accepted went from 10 to 9"),
    (stays, "process 4 was told to go at 20.000"),
    (ordered_otherwise, "replayed, the fleet orders"),
    (rested(primary=Counter(socket=5)), "the primary holds more"),
    (rested(workers=[Counter(socket=5)]), "a worker holds more"),
    (rested(strangers=["4711 (Z)"]), "children that it does not know"),
    (rested(named_memory=["/dev/shm/x"]), "shared memory"),
    (ends(survivors=[4711]), "left behind"),
    (ends(code=6), "exit code 6"),
    (ends(is_control_left=True), "control socket left"),
    (idles, "of talking were served"),
    (breaks, "broken off: not well"),
]


@pytest.mark.parametrize(("spoil", "finding"), SPOILT, ids=[finding for _, finding in SPOILT])
def test_whatever_is_wrong_is_found(spoil: Callable[[Evidence], None], finding: str) -> None:
    evidence = good()
    spoil(evidence)
    assert any(finding in line for line in findings(evidence)), findings(evidence)


def test_a_worker_that_we_stopped_need_not_be_ready() -> None:
    evidence = good()
    evidence.samples = [sample(5.0, 10, s1="blocked")]
    assert findings(evidence) != []
    evidence.deeds.append(Deed(4.0, Kind.STOP, 103, until=6.0))
    assert findings(evidence) == []


def test_a_failure_without_a_name_is_a_victims_too() -> None:
    evidence = good()
    evidence.report.failures = [failure(pid=0)]
    assert findings(evidence) == []
