"""What was wrong with a round: each finding is a line, and a good round has none."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from tests.chaos import timeline
from tests.chaos.deaths import TOLD, Death, deaths
from tests.chaos.evidence import Evidence, Sample, totals
from tests.chaos.schedule import CLIENTS, MORE, WORKERS
from tests.support.tidings import Failure
from tests.support.wire import Kind as How

WITHIN = 1.0  # second after a kill, in which a client that is not late itself may see it
ON_A_TAKEN_CONNECTION = {How.RESET, How.EOF, How.CUT}
READY = {"serving", "leaving"}
LATE = 2.0  # seconds beyond a deadline: a primary may have been stopped meanwhile
KILL_GRACE = 0.25  # seconds, see core/removal.py
LEAST = 10  # requests of each kind of client, or it was no load


def findings(evidence: Evidence) -> list[str]:
    """Look at a round from every side."""
    return [line for check in CHECKS for line in check(evidence)]


def broken_off(evidence: Evidence) -> Iterator[str]:
    if evidence.broken_off:
        yield f"broken off: {evidence.broken_off}"


# -- clients -----------------------------------------------------------------


def failed_requests(evidence: Evidence) -> Iterator[str]:
    """A failure is a victim's, within a second after its death, on what it had taken."""
    victims = [death for death in deaths(evidence) if death.is_kill]
    asked_to_go = _asked_to_go(evidence)
    within = WITHIN + evidence.report.lag
    for failure in evidence.report.failures:
        if failure.kind not in ON_A_TAKEN_CONNECTION:
            yield f"{failure} is of a kind that no death explains"
        elif not (near := [death for death in victims if death.explains(failure.at, within)]):
            yield f"{failure} is not within {within:.1f} s of a kill"
        elif not _is_blamed(failure, near, asked_to_go):
            yield f"{failure} is not of a victim: {near}"


def _is_blamed(failure: Failure, near: list[Death], asked_to_go: dict[int, float]) -> bool:
    """Who had taken a connection on which nothing was answered no client can know.

    Whoever was told to go may have handed back what it had: a victim had it last then.
    """
    pids = {0} | {death.pid for death in near}
    return failure.pid in pids or asked_to_go.get(failure.pid, failure.at) < failure.at


def _asked_to_go(evidence: Evidence) -> dict[int, float]:
    pids = evidence.timeline.pids()
    orders = evidence.timeline.orders("AskToStop")
    return {pids[order["id"]]: now for now, order in orders if order["id"] in pids}


def too_many_failures(evidence: Evidence) -> Iterator[str]:
    """At most as many as the victims had connections when they died, as the log says."""
    victims = {death.pid for death in deaths(evidence) if death.is_kill}
    died = [each for each in evidence.entries if each["event"] == "worker_exited"]
    most = sum(each["connections"] for each in died if each["pid"] in victims)
    if len(evidence.report.failures) > most:
        yield f"{len(evidence.report.failures)} failures; the victims had {most} connections"


def no_load(evidence: Evidence) -> Iterator[str]:
    if evidence.broken_off:
        return
    for kind in CLIENTS:
        served = sum(each.count for each in evidence.report.answers if each.client == kind)
        if served < LEAST * evidence.round.seconds:
            yield f"only {served} requests of {kind} were served: that was no load"


# -- the fleet ---------------------------------------------------------------


def unexplained_deaths(evidence: Evidence) -> Iterator[str]:
    """Nobody dies but by our hand, or of code that we broke, or as it was told to."""
    for death in deaths(evidence):
        if not death.cause:
            yield f"nothing explains {death}"


def missing_workers(evidence: Evidence) -> Iterator[str]:
    """In each slot somebody is ready, but where a death or a fault has left a gap.

    A reload and a scale-down leave none: a successor is ready before its predecessor goes.
    """
    wounded: dict[int, float] = {}  # slot -> since when its gap is excused
    for sample in evidence.samples:
        ready = ready_slots(sample)
        for slot in range(WORKERS):
            if slot in ready:
                wounded.pop(slot, None)
            elif _has_wound(evidence, slot, sample):
                wounded[slot] = sample.at
            elif slot not in wounded:
                yield f"nobody is ready in slot {slot} at {sample.at:.3f}: {told(sample)}"


def ready_slots(sample: Sample) -> set[int]:
    return {each["slot"] for each in sample.stats["workers"] if each["state"] in READY}


def _has_wound(evidence: Evidence, slot: int, sample: Sample) -> bool:
    """Whether somebody died there, or was blocked or stopped, a moment ago."""
    died = [d for d in deaths(evidence) if d.slot == slot and d.cause != TOLD]
    if any(death.at - LATE <= sample.at <= death.seen + LATE for death in died):
        return True
    pids = {each["pid"] for each in sample.stats["workers"] if each["slot"] == slot}
    hurt = [deed for deed in evidence.wounds() if deed.pid in pids]
    return any(deed.at <= sample.at <= deed.until + LATE for deed in hurt)


def told(sample: Sample) -> str:
    return ", ".join(f"{w['slot']}:{w['state']}({w['pid']})" for w in sample.stats["workers"])


def counters_that_went_back(evidence: Evidence) -> Iterator[str]:
    for before, after in zip(evidence.samples, evidence.samples[1:], strict=False):
        for name, count in totals(before.stats).items():
            if totals(after.stats)[name] < count:
                yield f"{name} went from {count} to {totals(after.stats)[name]} at {after.at:.3f}"
        older = {each["id"]: each for each in before.stats["workers"]}
        for worker in after.stats["workers"]:
            for name in ("accepted", "requests"):
                if worker[name] < older.get(worker["id"], worker)[name]:
                    yield f"{name} of worker {worker['id']} went back at {after.at:.3f}"


def missed_deadlines(evidence: Evidence) -> Iterator[str]:
    """Whoever is told to go is gone by its deadline, whatever befalls it meanwhile."""
    exits = evidence.timeline.exits()
    last = evidence.timeline.told[-1].now
    for now, order in evidence.timeline.orders("AskToStop"):
        deadline = now + order["grace"] + KILL_GRACE + LATE
        gone, _ = exits.get(order["id"], (last, 0))
        if gone > deadline:
            yield f"process {order['id']} was told to go at {now:.3f}, and was there at {gone:.3f}"


def another_story(evidence: Evidence) -> Iterator[str]:
    """The core is pure: told the same, a fleet orders the same."""
    for each, orders in timeline.replayed(evidence.timeline):
        if orders != each.orders:
            yield f"replayed, the fleet orders {orders} where it did: {each}"
            return


# -- what is left ------------------------------------------------------------


def leaks(evidence: Evidence) -> Iterator[str]:
    before, after = evidence.rest_before, evidence.rest_after
    if before is None or after is None:
        return
    grown = after.primary - before.primary
    if evidence.round.policy == "reuseport":  # the listeners of slots that were added stay
        grown.subtract({"socket": MORE})
    if any(count > 0 for count in grown.values()):
        yield f"the primary holds more than at the start: {dict(grown)}"
    usual = before.workers[0] + Counter({"/dev/null": 1})  # which libuv opens at its first stream
    for held in after.workers:
        if held - usual:
            yield f"a worker holds more than at the start: {dict(held - usual)}"
    if after.strangers:
        yield f"the primary has children that it does not know: {after.strangers}"
    if after.named_memory:
        yield f"shared memory that may stay: {after.named_memory}"


def bad_end(evidence: Evidence) -> Iterator[str]:
    end = evidence.end
    if evidence.broken_off:
        return
    if end.survivors:
        yield f"left behind after the {evidence.round.end}: {end.survivors}"
    if end.code or end.is_control_left:
        yield f"exit code {end.code}, control socket left: {end.is_control_left}"


CHECKS: tuple[Callable[[Evidence], Iterable[str]], ...] = (
    broken_off,
    failed_requests,
    too_many_failures,
    no_load,
    unexplained_deaths,
    missing_workers,
    counters_that_went_back,
    missed_deadlines,
    another_story,
    leaks,
    bad_end,
)
