"""A reload under load: old tasks end in the old pool, new ones go to the new; none is lost."""

import json
import os
import signal
import threading
from pathlib import Path

from tests.process.conftest import Serve
from tests.support.asking import ask
from tests.support.program import run

APP = "tests.support.pooled:handler"
BRIEF = """
import os
from pathlib import Path
from threading import Timer

from prefork import Request, pool

SWITCH = Path(__file__).with_name("switch")


def warm_up() -> None:
    if SWITCH.exists():
        Timer(0.05, os._exit, (7,)).start()


async def handler(request: Request) -> str:
    return str(await pool.run(os.getpid))
"""
DEADLY = """
import asyncio
import os
from contextlib import suppress
from threading import Timer

from prefork import pool

END = {"in it": lambda: os._exit(7), "after it": lambda: Timer(0.02, os._exit, (7,)).start()}


def end(how: str) -> None:
    END[how]()


async def go_on() -> None:
    # From the startup on, one task after the other ends its process.
    while True:
        for how in END:
            with suppress(pool.TaskLost):
                await pool.run(end, how)


async def app(scope, receive, send) -> None:
    assert scope["type"] == "lifespan"
    await receive()
    going_on = asyncio.create_task(go_on())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    going_on.cancel()
    await send({"type": "lifespan.shutdown.complete"})
"""


class Asker(threading.Thread):
    """Asks for tasks without end, and keeps what came of them."""

    def __init__(self, port: int, path: Path) -> None:
        super().__init__()
        self._port = port
        self.path = path
        self.kinds: list[dict[str, int]] = []
        self.stops = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.stops.is_set():
            number = len(self.kinds)
            path = f"{self.path}.{number}"
            reply = ask(self._port, f"/many?count=20&seconds=0.01&path={path}")
            assert reply.status == 200, reply
            self.kinds.append(json.loads(reply.body)["kinds"])


def test_a_reload_under_load_loses_no_task_and_runs_none_twice(
    serve: Serve, tmp_path: Path
) -> None:
    program = serve("--pool", "2", "--workers", "2", "--min-uptime", "0.2", app=APP)
    askers = [Asker(program.port, tmp_path / str(n)) for n in range(3)]
    old = {each["pid"] for each in program.stats()["pool"]}
    for number in (2, 3):
        program.signal(signal.SIGHUP)
        program.journal.wait_for("reload_succeeded", count=number - 1)
    program.settled(lambda stats: {each["generation"] for each in stats["pool"]} == {3})
    for each in askers:
        each.stops.set()
        each.join()
    assert not old & {each["pid"] for each in program.stats()["pool"]}
    for each in askers:
        assert len(each.kinds) > 5
        assert all(kinds == {"done": 20} for kinds in each.kinds)
        for number in range(len(each.kinds)):
            ran = Path(f"{each.path}.{number}").read_text().split()
            assert sorted(ran, key=int) == [str(n) for n in range(20)]
    assert {entry["status"] for entry in program.journal.entries("pool_exited")} == {0}


def test_a_stop_waits_for_the_tasks_of_requests(serve: Serve) -> None:
    program = serve("--pool", "1", app=APP)
    replies = []
    thread = threading.Thread(target=lambda: replies.append(ask(program.port, "/pause?seconds=1")))
    thread.start()
    program.settled(lambda stats: stats["tasks"]["running"] == 1)
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    thread.join()
    assert [each.status for each in replies] == [200]
    assert not program.leftovers()


def test_new_code_whose_processes_die_soon_after_they_were_ready_is_refused(
    serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "brief.py").write_text(BRIEF)
    options = ("--app-dir", str(tmp_path), "--pool", "2", "--pool-initializer", "brief:warm_up")
    program = serve(*options, app="brief:handler")
    old = {each["pid"] for each in program.stats()["pool"]}
    (tmp_path / "switch").touch()
    outcome = run("reload", "shop", "--wait", home=program.home)
    assert outcome.code == 1, outcome
    assert "exited with code 7" in outcome.err
    assert "the old code serves on" in outcome.err
    stats = program.settled(lambda stats: len(stats["pool"]) == 2)
    assert {each["pid"] for each in stats["pool"]} == old
    assert int(ask(program.port, "/").body) in old


def test_tasks_that_kill_their_processes_fail_no_reload(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text(DEADLY)
    options = ("--app-dir", str(tmp_path), "--pool", "2", "--workers", "2")
    program = serve(*options, app="deadly:app")
    outcome = run("reload", "shop", "--wait", home=program.home)
    assert outcome.code == 0, outcome
    deaths = [each for each in program.journal.entries("pool_exited") if each["generation"] == 2]
    assert {each["status"] for each in deaths} >= {7}
    assert not program.journal.entries("backing_off")


def test_a_process_of_the_old_pool_that_hangs_is_killed_and_holds_up_nothing(serve: Serve) -> None:
    program = serve("--pool", "2", app=APP)
    hanging, _ = (each["pid"] for each in program.stats()["pool"])
    os.kill(hanging, signal.SIGSTOP)
    outcome = run("reload", "shop", "--wait", home=program.home)
    assert outcome.code == 0, outcome
    assert ask(program.port, "/").status == 200
    program.settled(lambda stats: {each["generation"] for each in stats["pool"]} == {2})
    exits = {each["pid"]: each for each in program.journal.wait_for("pool_exited", count=2)}
    assert exits[hanging]["status"] == -signal.SIGKILL
