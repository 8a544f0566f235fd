"""One worker leads, and never two; another does within a second of its death."""

import os
import signal
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support.pacing import beats
from tests.support.program import Program

APP = "tests.support.leading:app"
SOON = 1.0  # seconds in which another leads


@dataclass(slots=True)
class Reign:
    pid: int
    first: float
    last: float


class Diary:
    def __init__(self, path: Path) -> None:
        self._path = path

    def reigns(self) -> list[Reign]:
        """Whoever led, in turn."""
        reigns: list[Reign] = []
        for line in self._path.read_text().splitlines() if self._path.exists() else []:
            pid, at = line.split()
            if not reigns or reigns[-1].pid != int(pid):
                reigns.append(Reign(int(pid), float(at), float(at)))
            reigns[-1].last = float(at)
        return reigns

    def until(self, count: int, timeout: float = 20) -> list[Reign]:
        """Look until so many have led, one after the other."""
        for _ in beats(0.01, timeout):
            if len(reigns := self.reigns()) >= count:
                return reigns
        raise AssertionError(f"{count} have not led: {self.reigns()}")

    def check(self) -> None:
        """Nobody led while another did."""
        reigns = self.reigns()
        pids = [each.pid for each in reigns]
        assert len(pids) == len(set(pids)), f"led by turns: {pids}"
        for one, next_one in pairwise(reigns):
            assert one.last < next_one.first


@pytest.fixture
def diary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Diary:
    monkeypatch.setenv("DIARY", str(tmp_path / "diary"))
    return Diary(tmp_path / "diary")


def leader(program: Program) -> int:
    [pid] = [worker["pid"] for worker in program.stats()["workers"] if worker["leader"]]
    return int(pid)


def test_another_leads_within_a_second_of_a_leaders_death(serve: Serve, diary: Diary) -> None:
    program = serve("--workers", "3", app=APP)
    took = []
    for count in range(1, 6):
        first = diary.until(count)[-1]
        assert leader(program) == first.pid
        killed = time.monotonic()
        os.kill(first.pid, signal.SIGKILL)
        took.append(diary.until(count + 1)[-1].first - killed)
    assert sorted(took)[2] < SOON, took
    diary.check()


def test_there_are_never_two_while_workers_are_replaced_and_scaled(
    serve: Serve, diary: Diary
) -> None:
    program = serve("--workers", "3", app=APP)
    diary.until(1)
    program.signal(signal.SIGHUP)
    program.journal.wait_for("reload_succeeded")
    diary.until(2)
    for count in (2, 1):
        program.signal(signal.SIGTTOU)
        program.workers(count)
    program.signal(signal.SIGTTIN)
    program.workers(2)
    last = diary.until(2)[-1]
    os.kill(last.pid, signal.SIGTERM)
    diary.until(3)
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    diary.check()


def test_one_whose_loop_is_wedged_leads_until_it_is_dead(serve: Serve, diary: Diary) -> None:
    program = serve("--workers", "1", "--worker-timeout", "2", "--block-warn", "1.2", app=APP)
    first = diary.until(1)[0]
    program.signal(signal.SIGTTIN)
    program.workers(2)
    os.kill(first.pid, signal.SIGSTOP)
    second = diary.until(2)[1]
    [died] = program.journal.wait_for("worker_exited")
    assert died["pid"] == first.pid
    assert second.pid != first.pid
    diary.check()
