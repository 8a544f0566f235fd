"""A pool that has no room says so, and has room again as soon as a task has ended."""

import pytest
from tests.process.conftest import Serve
from tests.support.asking import Caller, Reply, ask
from tests.support.program import Program

LIMIT = ("--pool", "1", "--pool-queue", "2")
APPS = {
    "handler": ("tests.support.pooled:handler", "/pause?seconds=0.5"),
    "FastAPI": ("tests.support.pooled:fast", "/pause?seconds=0.5"),
    "Flask": ("tests.support.pooled:flask", "/pause/0.5"),
}


def fill(program: Program, path: str) -> list[Caller]:
    """Ask until one task runs, and two wait."""
    callers = []
    for waiting in (0, 1, 2):
        callers.append(Caller(program.port))
        callers[-1].send(path)
        program.settled(
            lambda stats, n=waiting: (
                (stats["tasks"]["running"], stats["tasks"]["waiting"]) == (1, n)
            )  # type: ignore[misc]
        )
    return callers


@pytest.mark.parametrize("name", APPS)
def test_a_full_pool_is_answered_by_503_and_recovers_at_once(serve: Serve, name: str) -> None:
    app, path = APPS[name]
    program = serve(*LIMIT, app=app)
    callers = fill(program, path)
    refused = [ask(program.port, path) for _ in range(5)]
    assert {each.status for each in refused} == {503}
    assert all(int(each.headers["retry-after"]) >= 1 for each in refused)
    assert [answer(each).status for each in callers] == [200, 200, 200]
    assert ask(program.port, path).status == 200
    assert len(program.journal.entries("pool_full")) == (0 if name == "Flask" else 1)


def answer(caller: Caller) -> Reply:
    try:
        return caller.reply()
    finally:
        caller.close()


def test_what_needs_no_pool_is_answered_while_it_is_full(serve: Serve) -> None:
    program = serve(*LIMIT, app="tests.support.pooled:handler")
    callers = fill(program, "/pause?seconds=0.5")
    assert ask(program.port, "/light").body == b"light"
    for each in callers:
        answer(each)
