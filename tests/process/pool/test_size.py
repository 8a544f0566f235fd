"""How many processes there are, and when one is replaced."""

from pathlib import Path

from tests.process.conftest import Serve
from tests.support.asking import ask

APP = "tests.support.pooled:handler"


def test_processes_come_when_tasks_wait_and_go_when_none_do(serve: Serve, tmp_path: Path) -> None:
    program = serve("--pool", "2", "--pool-min", "0", "--pool-idle-timeout", "0.5", app=APP)
    assert program.stats()["pool"] == []
    asked = ask(program.port, f"/many?count=8&seconds=0.3&path={tmp_path / 'ran'}")
    assert asked.status == 200
    assert len(program.journal.wait_for("pool_ready", count=2)) == 2
    program.settled(lambda stats: stats["pool"] == [])
    assert {each["status"] for each in program.journal.entries("pool_exited")} == {0}


def test_one_that_takes_more_memory_than_it_may_is_replaced_after_its_task(serve: Serve) -> None:
    program = serve("--pool", "1", "--pool-max-memory", "1MB", app=APP)
    pids = [ask(program.port, "/").body for _ in range(4)]
    assert len(set(pids)) == 4
    exits = program.journal.wait_for("pool_exited", count=3)
    assert {each["status"] for each in exits} == {0}
