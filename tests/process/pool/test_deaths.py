"""What dies with a process of the pool: the task that it ran, and no other."""

import json
import os
import random
import signal
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.process.conftest import Serve
from tests.support import pacing, processes
from tests.support.asking import Reply, ask
from tests.support.program import Program, Stats

APP = "tests.support.pooled:handler"
SIZE = 3


def is_whole(stats: Stats) -> bool:
    return len(ready(stats)) == SIZE


def ready(stats: Stats) -> list[int]:
    return [each["pid"] for each in stats["pool"] if each["state"] == "ready"]


class Asking(Thread):
    """A request that goes on while others are made."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__()
        self._port = port
        self._path = path
        self._reply: Reply | None = None
        self.start()

    def run(self) -> None:
        self._reply = ask(self._port, self._path)

    def reply(self) -> Reply:
        self.join()
        assert self._reply is not None
        return self._reply


@pytest.mark.parametrize(
    ("how", "status", "told"),
    [
        ("raise_peculiar", 5, "PeculiarError: peculiar 5"),
        ("leave", 3, "exited with code 3"),
        ("die", 9, "was killed by signal 9"),
        ("inert_of", 0, "can't be given back"),
    ],
    ids=["exception", "exit", "kill", "result"],
)
def test_a_task_that_dies_fails_alone_and_the_pool_is_whole_again(
    serve: Serve, tmp_path: Path, how: str, status: int, told: str
) -> None:
    program = serve("--pool", str(SIZE), app=APP)
    program.settled(is_whole)
    others = Asking(program.port, f"/many?count=40&seconds=0.02&path={tmp_path / 'ran'}")
    assert ask(program.port, f"/die?how={how}&status={status}").status == 500
    assert json.loads(others.reply().body)["kinds"] == {"done": 40}
    failed = program.journal.wait_for("request_failed")
    assert told in failed[0]["reason"]
    assert len((tmp_path / "ran").read_text().split()) == 40
    program.settled(is_whole)


def test_a_task_that_hangs_is_ended_at_its_timeout(serve: Serve) -> None:
    program = serve("--pool", "1", app=APP)
    assert ask(program.port, "/late").status == 500
    assert "ran for over 0.1 s" in program.journal.wait_for("request_failed")[0]["reason"]
    assert ask(program.port, "/").status == 200


@pytest.mark.alone
@pytest.mark.parametrize("tasks", [0, 30], ids=["idle", "used"])
def test_within_200_ms_of_a_kill_the_pool_is_whole_again(serve: Serve, tasks: int) -> None:
    size = 5
    program = serve("--pool", str(size), "--min-uptime", "0.01", app=APP)
    ask(program.port, f"/many?count={tasks}&seconds=0.02&path=/dev/null")  # so each has had one
    took: list[float] = []
    for pid in ready(program.stats()):
        os.kill(pid, signal.SIGKILL)
        exited = program.journal.wait_for("pool_exited", count=len(took) + 1)[-1]
        back = program.journal.wait_for("pool_ready", count=size + len(took) + 1)[-1]
        took.append(seconds_between(exited, back))
    assert not program.journal.entries("backing_off")
    assert sorted(took)[len(took) // 2] < 0.2, took


def seconds_between(earlier: dict[str, Any], later: dict[str, Any]) -> float:
    first, second = (datetime.fromisoformat(each["time"]) for each in (earlier, later))
    return (second - first).total_seconds()


def more_than(before: list[int], holders: list[int]) -> list[int]:
    """Return who has more descriptors than before."""
    now = [len(processes.descriptors(pid)) for pid in holders]
    return [pid for pid, had, has in zip(holders, before, now, strict=True) if has > had]


def harass(program: Program, folder: Path, kills: int) -> None:
    """Kill one process of the pool after the other, while tasks run without end."""
    dice = random.Random(7)
    holders = [program.pid, *program.workers(2)]
    for _ in range(4):  # so that each worker has its lines
        assert ask(program.port, f"/many?count=20&seconds=0&path={folder / 'first'}").status == 200
    before = [len(processes.descriptors(pid)) for pid in holders]
    killed: set[int] = set()
    while len(killed) < kills:
        path = folder / f"ran{len(killed)}"
        asking = Asking(program.port, f"/many?count=300&seconds=0.003&path={path}")
        victims = 0
        for _ in pacing.beats(0.02, 0.4):
            if pids := [pid for pid in ready(program.stats()) if pid not in killed]:
                killed.add(victim := dice.choice(pids))
                os.kill(victim, signal.SIGKILL)
                victims += 1
        told = json.loads(asking.reply().body)
        ran = path.read_text().split()
        assert set(told["kinds"]) <= {"done", "TaskLost"}, told
        assert len(told["lost"]) <= victims
        assert len(ran) == len(set(ran)), "a task ran twice"
        assert {str(n) for n in range(300)} - set(ran) <= set(map(str, told["lost"]))
    program.settled(is_whole)
    assert len(program.journal.wait_for("pool_exited", count=len(killed))) == len(killed)
    program.settled(lambda _: not more_than(before, holders))
    assert not [pid for pid in program.tree() if processes.state(pid) == "Z"]


def test_random_kills_lose_the_victims_tasks_alone(serve: Serve, tmp_path: Path) -> None:
    program = serve("--pool", str(SIZE), "--workers", "2", app=APP)
    harass(program, tmp_path, kills=40)


@pytest.mark.slow
def test_a_thousand_kills_lose_the_victims_tasks_alone(serve: Serve, tmp_path: Path) -> None:
    program = serve("--pool", str(SIZE), "--workers", "2", app=APP)
    harass(program, tmp_path, kills=1000)
