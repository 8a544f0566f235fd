"""A pool that has no room says so, and has room again as soon as a task has ended."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import IO

import pytest
from tests.process.conftest import Serve
from tests.support.asking import Caller, ask
from tests.support.program import Program

LIMIT = ("--workers", "1", "--pool", "1", "--pool-queue", "2")
APPS = ("handler", "FastAPI", "Flask")
# Of tests.support.refused.
REFUSED = ("bare", "starlette", "below", "fastapi", "handled", "litestar", "django")
WAYS = ("alone", "gathered", "grouped", "everywhere", "caught", "renamed", "answered", "threaded")


class Gate:
    """Each task reads a fifo, and ends when somebody has written to it, so it takes as long as a
    test likes."""

    def __init__(self, program: Program, fifo: Path, held: ExitStack) -> None:
        os.mkfifo(fifo)
        self.path = f"/read?path={fifo}"
        self._program, self._fifo, self._held = program, fifo, held

    def ask(self) -> Caller:
        caller = Caller(self._program.port)
        self._held.callback(caller.close)
        caller.send(self.path)
        return caller

    def open(self) -> IO[str]:
        """Wait until one runs; it ends when this is closed."""
        return self._held.enter_context(self._fifo.open("w"))

    def fill(self) -> tuple[list[Caller], IO[str]]:
        """Ask until one task runs, and two wait. Return who asks, and what ends the first."""
        callers = [self.ask()]
        running = self.open()
        for waiting in (1, 2):
            callers.append(self.ask())
            self._program.settled(lambda stats, n=waiting: stats["tasks"]["waiting"] == n)  # type: ignore[misc]
        return callers, running


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("name", APPS)
def test_a_full_pool_is_answered_by_503_and_recovers_at_once(
    serve: Serve, tmp_path: Path, held: ExitStack, name: str
) -> None:
    app = {"handler": "handler", "FastAPI": "fast", "Flask": "flask"}[name]
    program = serve(*LIMIT, app=f"tests.support.pooled:{app}")
    gate = Gate(program, tmp_path / "fifo", held)
    callers, running = gate.fill()
    refused = [ask(program.port, gate.path) for _ in range(5)]
    if name == "handler":
        refused.append(ask(program.port, "/group"))
    assert {each.status for each in refused} == {503}
    assert all(int(each.headers["retry-after"]) >= 1 for each in refused)
    running.close()
    first, *others = callers
    assert first.reply().status == 200
    for each in others:
        gate.open().close()
        assert each.reply().status == 200
    late = gate.ask()
    gate.open().close()
    assert late.reply().status == 200
    assert len(program.journal.entries("pool_full")) == (0 if name == "Flask" else 1)


def test_what_needs_no_pool_is_answered_while_it_is_full(
    serve: Serve, tmp_path: Path, held: ExitStack
) -> None:
    program = serve(*LIMIT, app="tests.support.pooled:handler")
    gate = Gate(program, tmp_path / "fifo", held)
    gate.fill()
    assert ask(program.port, "/light").body == b"light"


def test_it_is_503_wherever_a_framework_would_have_made_a_500_of_it(
    serve: Serve, tmp_path: Path, held: ExitStack
) -> None:
    program = serve(*LIMIT, app="tests.support.refused:app")
    Gate(program, tmp_path / "fifo", held).fill()
    said = {
        (app, way): ask(program.port, f"/{app}/{way}")
        for app, way in product(REFUSED, WAYS)
        if (app, way) != ("bare", "threaded")
    }
    others = {each: reply.status for each, reply in said.items() if reply.status != 503}
    on_purpose = {(app, "answered"): 200 for app in REFUSED}
    on_purpose |= {("handled", way): 429 for way in ("alone", "gathered", "everywhere", "threaded")}
    # Django answers when its own `except` is left, and so knows no more than the request's context.
    others_know = [app for app in REFUSED if app != "django"]
    by_another_reason = set(product(others_know, ("caught", "renamed")))
    in_tasks = {("django", "gathered"), ("django", "grouped")}
    assert others == on_purpose | dict.fromkeys(by_another_reason | in_tasks, 500)
    put_off = [reply.headers for each, reply in said.items() if each not in others]
    assert all(int(headers["retry-after"]) >= 1 for headers in put_off)
