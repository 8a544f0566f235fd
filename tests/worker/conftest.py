"""Every scenario runs on asyncio's own loop and on uvloop."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from tests.support import certificates
from tests.worker.rig import SECRETS, Secrets

from prefork import log
from prefork.settings.schema import Settings
from prefork.worker import credentials

uvloop = pytest.importorskip("uvloop")

Run = Callable[[Coroutine[Any, Any, None]], None]

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    def run(scenario: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(scenario)

    return run


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    """The contexts of a server and of a client that trusts it."""
    files = certificates.write(tmp_path_factory.mktemp("certificates"))
    settings = Settings(app="a:b", certfile=str(files.certfile), keyfile=str(files.keyfile))
    server = credentials.context(settings)
    assert server is not None
    return Secrets(server, certificates.client_context())


@pytest.fixture(params=["plain", "tls"])
def wire(request: pytest.FixtureRequest, secrets: Secrets) -> Iterator[str]:
    """Run the scenario without TLS and with it: the rules are the same."""
    token = SECRETS.set(secrets if request.param == "tls" else None)
    yield request.param
    SECRETS.reset(token)


@pytest.fixture
def scheme(wire: str) -> str:
    """How its requests were asked for."""
    return "https" if wire == "tls" else "http"


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
