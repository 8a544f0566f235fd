"""Every scenario runs on asyncio's own loop and on uvloop."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from prefork import log

uvloop = pytest.importorskip("uvloop")

Run = Callable[[Coroutine[Any, Any, None]], None]

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    def run(scenario: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(scenario)

    return run


@pytest.fixture(autouse=True)
def _log() -> None:
    log.configure("info", "text")


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """`logging` is the process's: it is given back as it was, to pytest and to other tests."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    path, hooks = sys.path[:], sys.path_hooks[:]
    yield
    log.configure("info", "text")
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.path[:], sys.path_hooks[:] = path, hooks
    for each in logging.Logger.manager.loggerDict.values():
        if isinstance(each, logging.Logger):
            each.disabled = False
