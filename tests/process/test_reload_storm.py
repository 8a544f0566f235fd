"""Everything at once: hang-ups, scaling and kills, and then a stop. It ends as if nothing was."""

import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from tests.process.conftest import Serve
from tests.support import pacing
from tests.support.deploys import APP
from tests.support.kills import Kill, blamed, kill
from tests.support.load import Load
from tests.support.program import Program, Stats
from tests.support.reloads import deploys_below
from tests.support.tidings import Plan, Report
from tests.support.wire import Kind

WORKERS = 4
ON_A_TAKEN_CONNECTION = {Kind.RESET, Kind.EOF, Kind.CUT}
DONE, CUT = 0, 6
PATIENCE = 20.0  # seconds; a worker that was killed as soon as it was ready comes back late
Deed = Literal["hang up", "scale", "kill"]
HOW_OFTEN: dict[Deed, int] = {"hang up": 100, "scale": 20, "kill": 6}


@dataclass(slots=True)
class Storm:
    """What is done to a program, and whether it keeps its workers meanwhile."""

    program: Program
    dice: random.Random
    kills: list[Kill] = field(default_factory=list)
    wounded: dict[int, set[int]] = field(default_factory=dict)  # pids killed, by slot
    extra: int = 0  # workers above WORKERS

    def deeds(self) -> list[Deed]:
        deeds = [deed for deed, count in HOW_OFTEN.items() for _ in range(count)]
        self.dice.shuffle(deeds)
        return deeds

    def do(self, deed: Deed) -> None:
        match deed:
            case "hang up":
                self.program.signal(signal.SIGHUP)
            case "scale":
                self.scale()
            case "kill":
                self.kill()
        self.look()

    def scale(self) -> None:
        """One more or one fewer, never fewer than at the start.

        The one before is seen first: two signals of a kind that meet are one.
        """
        self.program.settled(lambda stats: stats["workers_wanted"] == WORKERS + self.extra)
        more = not self.extra or (self.extra < 3 and self.dice.random() < 0.5)
        self.extra += 1 if more else -1
        self.program.signal(signal.SIGTTIN if more else signal.SIGTTOU)

    def kill(self) -> None:
        """Kill a worker that serves, when another one does too."""
        stats = self.program.settled(lambda stats: len(victims(stats)) > 1, PATIENCE)
        slot, victim = self.dice.choice(victims(stats))
        self.wounded.setdefault(slot, set()).add(victim)
        self.kills.append(kill(victim))

    def look(self) -> None:
        """See a worker in rotation in each slot, but where one was killed a moment ago."""
        stats = self.program.stats()
        alive = list(in_rotation(stats))
        for slot in range(WORKERS):
            killed = self.wounded.get(slot, set())
            if {pid for place, pid in alive if place == slot} - killed:
                self.wounded.pop(slot, None)
            else:
                assert killed, f"nobody serves in slot {slot}: {stats}"


def victims(stats: Stats) -> list[tuple[int, int]]:
    return [(slot, pid) for slot, pid in in_rotation(stats) if slot < WORKERS]


def in_rotation(stats: Stats) -> Iterator[tuple[int, int]]:
    """Yield slot and pid of each worker that serves."""
    for worker in stats["workers"]:
        if worker["state"] == "serving":
            yield worker["slot"], worker["pid"]


def judge(program: Program, report: Report, kills: list[Kill]) -> None:
    """Find every failure soon after a death, and no more than the dead had connections.

    Whose each was no client can know: a reload may have moved it since the answer before.
    """
    print(f"{len(report.failures)} failed; the clients were late by {report.lag:.3f} s at most")
    assert report.served > 500
    for failure in report.failures:
        assert failure.kind in ON_A_TAKEN_CONNECTION, failure
        assert blamed(failure.at, kills, report), f"not soon after a death: {failure}, {kills}"
    victims = {each.pid for each in kills}
    died = [each for each in program.journal.entries("worker_exited") if each["pid"] in victims]
    assert len(report.failures) <= sum(each["connections"] for each in died)


def weather(program: Program, seed: int, pause: float) -> None:
    storm = Storm(program, random.Random(seed))
    with Load(Plan(port=program.port, per_request=4, keep_alive=4, posting=4)) as load:
        for deed in storm.deeds():
            storm.do(deed)
            pacing.hold(pause * storm.dice.random())
        program.settled(
            lambda stats: len({slot for slot, _ in victims(stats)}) == WORKERS, PATIENCE
        )
        report = load.report()
    judge(program, report, storm.kills)
    program.signal(signal.SIGHUP)
    program.signal(signal.SIGTERM)
    assert program.wait() == DONE  # nothing was in flight, so nothing was cut
    assert program.leftovers() == []
    assert not program.control.exists()


@pytest.mark.parametrize("policy", ["rr", "reuseport"])
def test_a_storm_of_signals_ends_cleanly(serve: Serve, tmp_path: Path, policy: str) -> None:
    place = ("--app-dir", str(deploys_below(tmp_path).place), "--policy", policy)
    program = serve("--workers", str(WORKERS), *place, "--min-uptime", "0.1", app=APP)
    weather(program, seed=1, pause=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("preload", ["auto", "off"])
@pytest.mark.parametrize("policy", ["rr", "shared", "reuseport"])
def test_storms_of_signals_end_cleanly(
    serve: Serve, tmp_path: Path, policy: str, preload: str
) -> None:
    place = ("--app-dir", str(deploys_below(tmp_path).place), "--policy", policy)
    for seed in range(2, 12):
        options = ("--min-uptime", "0.1", "--preload", preload)
        program = serve("--workers", str(WORKERS), *place, *options, app=APP)
        weather(program, seed, pause=0.2 if seed % 2 else 0.0)


def test_a_storm_without_pause_and_a_stop_in_its_midst(serve: Serve, tmp_path: Path) -> None:
    """Kills just before the stop may cut what they served; the exit code then says so."""
    place = ("--app-dir", str(deploys_below(tmp_path).place))
    program = serve("--workers", str(WORKERS), *place, app=APP)
    storm = Storm(program, random.Random(7))
    with Load(Plan(port=program.port, per_request=4, keep_alive=4, most_failures=50)):
        for deed in storm.deeds():
            storm.do(deed)
        storm.kill()
        program.signal(signal.SIGTERM)
        assert program.wait() in (DONE, CUT)
    assert program.leftovers() == []
    assert not program.control.exists()
