"""New code whose pool does not come: the reload fails, and tasks go on in the old pool."""

import json
from pathlib import Path

from tests.process.conftest import Serve
from tests.support.asking import Caller, ask
from tests.support.program import Program, run

APP = """
import os
from pathlib import Path

from prefork import Response, pool

COLD = Path(__file__).with_name("cold")


def warm_up():
    if COLD.exists():
        raise RuntimeError("no model")


def whose():
    return os.getpid()


async def handler(request):
    return Response(str(await pool.run(whose)))
"""


def start(serve: Serve, place: Path, *options: str) -> Program:
    (place / "cooled.py").write_text(APP)
    options = ("--pool-initializer", "cooled:warm_up", "--min-uptime", "0.2", *options)
    sizes = ("--workers", "2", "--pool", "2")
    return serve("--app-dir", str(place), *sizes, *options, app="cooled:handler")


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
