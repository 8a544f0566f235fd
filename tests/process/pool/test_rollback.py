"""Pools that do not come, or do not last: what becomes of a start, a reload, a stop."""

import json
import os
import signal
from pathlib import Path

from tests.process.conftest import Serve
from tests.support.asking import Caller, ask
from tests.support.program import Program, run

from prefork.errors import ExitCode

APP = """
import fcntl
import os
from pathlib import Path
from threading import Timer

from prefork import Response, pool

COLD, DOOM, FIFO = (Path(__file__).with_name(name) for name in ("cold", "doom", "fifo"))


def warm_up():
    if COLD.exists():
        raise RuntimeError("no model")
    if DOOM.exists():
        Timer(0.2, os._exit, (1,)).start()


def lock():
    global key
    key = open(__file__)
    fcntl.flock(key, fcntl.LOCK_EX | fcntl.LOCK_NB)


def whose():
    return os.getpid()


async def handler(request):
    if request.path == "/hold":
        await pool.run(FIFO.read_bytes)
    return Response(str(await pool.run(whose)))
"""


def start(serve: Serve, place: Path, *options: str, waits: bool = True) -> Program:
    (place / "cooled.py").write_text(APP)
    options = ("--pool-initializer", "cooled:warm_up", "--min-uptime", "0.2", *options)
    sizes = ("--workers", "2", "--pool", "2")
    options = ("--app-dir", str(place), *sizes, *options)
    return serve(*options, app="cooled:handler", waits=waits)


def pool(program: Program) -> set[int]:
    return {each["pid"] for each in program.stats()["pool"]}


def askers(program: Program) -> set[int]:
    """The processes in which a few tasks ran."""
    return {json.loads(ask(program.port, "/").body) for _ in range(10)}


def test_an_initializer_that_fails_refutes_new_code_and_the_old_pool_goes_on(
    serve: Serve, tmp_path: Path
) -> None:
    program = start(serve, tmp_path)
    old = pool(program)
    assert askers(program) <= old
    (tmp_path / "cold").touch()
    outcome = run("reload", "shop", "--wait", home=program.home)
    assert outcome.code == 1, outcome
    assert "the hook pool_initializer raised: RuntimeError: no model" in outcome.err
    stats = program.settled(lambda stats: len(stats["pool"]) == len(stats["workers"]) == 2)
    assert {each["generation"] for each in stats["pool"] + stats["workers"]} == {1}
    assert pool(program) == old
    assert askers(program) <= old
    (tmp_path / "cold").unlink()
    outcome = run("reload", "shop", "--wait", home=program.home)
    assert outcome.code == 0, outcome
    assert not askers(program) & old


def test_a_broken_initializer_ends_no_fleet_whose_pool_came_on_demand(
    serve: Serve, tmp_path: Path
) -> None:
    program = start(serve, tmp_path, "--pool-min", "0")
    (tmp_path / "cold").touch()
    client = Caller(program.port)
    client.send("/")
    program.journal.wait_for("backing_off", count=4)
    (tmp_path / "cold").unlink()
    assert client.reply().status == 200
    client.close()


def test_a_first_start_ends_where_one_process_has_what_the_other_needs(
    serve: Serve, tmp_path: Path
) -> None:
    program = start(serve, tmp_path, "--pool-initializer", "cooled:lock", waits=False)
    assert program.wait() == ExitCode.APP_START
    assert program.journal.entries("giving_up")
    assert "BlockingIOError" in program.journal.text


def test_those_that_die_without_ever_having_had_a_task_are_not_forked_without_end(
    serve: Serve, tmp_path: Path
) -> None:
    program = start(serve, tmp_path, "--pool", "1", "--min-uptime", "5")
    (tmp_path / "doom").touch()
    for pid in pool(program):
        os.kill(pid, signal.SIGKILL)
    *_, last = program.journal.wait_for("backing_off", count=4)
    assert last["seconds"] > 0.5
    (tmp_path / "doom").unlink()
    assert ask(program.port, "/").status == 200


def test_while_a_worker_ends_its_tasks_have_who_runs_them(serve: Serve, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    program = start(serve, tmp_path, "--workers", "1", "--pool", "1")
    holding, waiting = Caller(program.port), Caller(program.port)
    holding.send("/hold")
    with (tmp_path / "fifo").open("w"):
        waiting.send("/")
        program.settled(lambda stats: stats["tasks"]["waiting"] == 1)
        program.signal(signal.SIGTERM)
        program.settled(lambda stats: stats["state"] == "stopping")
        (first,) = pool(program)
        os.kill(first, signal.SIGKILL)
        reply = waiting.reply()
    assert (holding.reply().status, reply.status) == (500, 200)
    assert int(reply.body) != first
    assert program.wait() == ExitCode.OK
    holding.close()
    waiting.close()
