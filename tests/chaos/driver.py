"""Lives through one round: starts an instance, loads it, harasses it, and ends it."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos import application, timeline
from tests.chaos.evidence import Evidence, Rest, Sample, wedged
from tests.chaos.hands import Hands
from tests.chaos.schedule import CLIENTS, QUIET, WORKERS, Round
from tests.support import pacing, processes
from tests.support.asking import ask
from tests.support.deploys import APP, Deploys
from tests.support.load import Load
from tests.support.processes import Watch
from tests.support.program import Program, Stats
from tests.support.reloads import next_generation
from tests.support.tidings import Plan

TURN = 0.05  # seconds; how exactly faults are in time
SAMPLE_EVERY = 4  # turns
PATIENCE = 30.0  # seconds for whatever has to come in the end
CLIENT_TIMEOUT = 10.0  # seconds
DEADLINE = 10.0  # seconds after which the primary's death must have taken all along
OPTIONS = (
    *("--workers", str(WORKERS), "--min-uptime", "0.3"),
    # Clients wait for 10 s. A stopped worker takes 5 more to die; one that is blocked, and then
    # told to go, has its whole time to do so.
    *("--block-warn", "1.1", "--worker-timeout", "2", "--graceful-timeout", "6"),
)
RECYCLING = ("--max-requests", "2000", "--max-requests-jitter", "1000")  # some ten seconds' work


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session lives: its instances come one after another, on one port, by one name."""

    home: Path
    port: int = 0  # of the instance before
    variant: str = "none"  # of naive.VARIANTS

    def file(self, round: Round) -> Path:
        return self.home / f"timeline-{round.number}"


class Driver:
    def __init__(self, place: Place, round: Round, opened: ExitStack) -> None:
        self._round = round
        self._place = place
        code = place.home / f"code-{round.number}"
        code.mkdir()
        deploys = Deploys(code, application.CODE)
        file = place.file(round)
        self.program = Program(
            APP,
            *("--app-dir", str(code), "--policy", round.policy, "--preload", round.preload),
            *("--bind", f"127.0.0.1:{place.port}", *OPTIONS),
            *(RECYCLING if round.recycles else ()),
            home=place.home,
            entry=("-m", "tests.chaos.recorded", str(file), place.variant),
        )
        opened.callback(self.program.close)
        self.program.wait_ready()
        self.hands = Hands(self.program, deploys)
        self.evidence = Evidence(round, timeline.read(file))

    def live(self) -> None:
        """Do all of it. Raises AssertionError where it does not get well, or does not end."""
        evidence, load = self.evidence, self._load()
        evidence.rest_before = rest(self.program)
        with load:
            self._storm()
            self._get_well()
            evidence.report = load.report()
        evidence.rest_after = self._rested()
        self._end()

    def _load(self) -> Load:
        crowd: dict[str, Any] = dict.fromkeys(CLIENTS, self._round.clients)
        plan = Plan(
            port=self.program.port,
            pause=self._round.pause,
            timeout=CLIENT_TIMEOUT,
            seconds=self._round.seconds + 4 * PATIENCE,
            **crowd,
        )
        return Load(plan)

    def _storm(self) -> None:
        """Do each fault in its time, and look often."""
        faults = list(reversed(self._round.faults))
        start = time.monotonic()
        for turn, now in enumerate(pacing.beats(TURN, self._round.seconds - QUIET)):
            self.hands.end_what_is_due(now)
            while faults and start + faults[-1].at <= time.monotonic():
                self.hands.do(faults.pop())
            if turn % SAMPLE_EVERY == 0:
                self._sample()
        self.hands.end_all()

    def _sample(self) -> None:
        if stats := self.hands.look():
            self.evidence.samples.append(Sample(time.monotonic(), stats))

    def _get_well(self) -> None:
        """After the storm good code is loaded into every slot, whatever happened before."""
        self.hands.restore_scale()
        number = next_generation(self._until(is_well))
        version = self.hands.reload()
        stats = self._until(lambda stats: is_well(stats) and has_reloaded(stats, number))
        assert stats["reload"]["state"] == "succeeded", stats["reload"]
        marks = {ask(self.program.port, "/pid").mark for _ in range(2 * WORKERS)}
        assert marks == {version}, f"after the reload of version {version} it is {marks}"

    def _until(self, wanted: Callable[[Stats], bool]) -> Stats:
        """Look until it is so."""
        deadline = time.monotonic() + PATIENCE
        for _ in pacing.beats(TURN * SAMPLE_EVERY, 2 * PATIENCE):
            self._sample()
            stats = self.evidence.samples[-1].stats
            if wanted(stats):
                break
            assert time.monotonic() < deadline, f"not well after {PATIENCE} s: {stats}"
        return stats

    def _rested(self) -> Rest:
        """Count what is held when the last that drain, and the last connections, are gone."""
        self.program.settled(is_at_rest, PATIENCE)
        return rest(self.program)

    def _end(self) -> None:
        end = self.evidence.end
        with Watch([self.program.pid, *self.program.tree()]) as watch:
            if self._round.end == "kill":
                os.kill(self.program.workers(WORKERS)[0], signal.SIGSTOP)  # it goes, too
                os.kill(self.program.pid, signal.SIGKILL)
                end.survivors = watch.left(DEADLINE)
            else:
                self.program.signal(signal.SIGTERM)
                end.code = self.program.wait(PATIENCE)
                end.survivors = watch.left(0)
                end.is_control_left = self.program.control.exists()
        end.survivors += self.program.leftovers()


def is_well(stats: Stats) -> bool:
    """Whether every slot is served, by whatever code, and nothing more is under way."""
    is_moving = stats["reload"] is not None and stats["reload"]["state"] == "running"
    serving = {each["slot"] for each in stats["workers"] if each["state"] == "serving"}
    return stats["state"] == "serving" and not is_moving and serving == set(range(WORKERS))


def has_reloaded(stats: Stats, generation: int) -> bool:
    latest = stats["reload"]
    return latest is not None and int(latest["generation"]) >= generation


def is_at_rest(stats: Stats) -> bool:
    workers = stats["workers"]
    is_quiet = not any(each["connections"] for each in workers)
    return is_quiet and len(workers) == WORKERS and len(stats["templates"]) == 1


def rest(program: Program) -> Rest:
    """Count what primary and workers hold. It needs a moment to close its end of our question."""
    stats = program.stats()
    pacing.hold(0.1)
    pids = [each["pid"] for each in stats["workers"]]
    known = {*pids, *(each["pid"] for each in stats["templates"])}
    strangers = [pid for pid in processes.children(program.pid) if pid not in known]
    return Rest(
        kinds(program.pid),
        [kinds(pid) for pid in pids],
        [f"{pid} ({processes.state(pid)})" for pid in strangers],
        sorted({name for pid in (program.pid, *pids) for name in processes.named_memory(pid)}),
    )


def kinds(pid: int) -> Counter[str]:
    return Counter(name.partition(":")[0] for name in processes.descriptors(pid).values())


def lived(place: Place, round: Round) -> tuple[Evidence, int]:
    """Live through a round, to its end or as far as it goes; return its port, too."""
    with ExitStack() as opened:
        driver = Driver(place, round, opened)
        evidence, program = driver.evidence, driver.program
        try:
            driver.live()
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            evidence.broken_off = f"{type(error).__name__}: {error}"
        evidence.deeds = driver.hands.deeds
        evidence.timeline = timeline.read(place.file(round))
        evidence.wedged = wedged(program.journal.text.splitlines())
        evidence.entries = program.journal.entries()
        return evidence, program.port
