# ruff: noqa: ARG001 - an application takes what the protocol gives

import asyncio
import contextvars
from typing import Any

import pytest
from tests.worker.conftest import Run

from prefork.errors import AppError
from prefork.worker.application import Application
from prefork.worker.lifespan import Lifespan

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def lifespan(app: Any, kind: Any = "asgi") -> Lifespan:
    return Lifespan(Application("tests:app", kind, app))


async def well_behaved(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "lifespan"
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"]["database"] = "open"
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    scope["state"]["database"] = "closed"
    await send({"type": "lifespan.shutdown.complete"})


def test_startup_fills_the_state_and_shutdown_runs(run: Run) -> None:
    async def scenario() -> None:
        life = lifespan(well_behaved)
        await life.startup()
        assert life.state == {"database": "open"}
        await life.shutdown()
        assert life.state == {"database": "closed"}

    run(scenario())


def test_a_failed_startup_is_the_applications_fault(run: Run) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        raise OSError

    async def scenario() -> None:
        with pytest.raises(AppError, match="the lifespan startup failed") as error:
            await lifespan(app).startup()
        assert error.value.detail == "no database"

    run(scenario())


def test_a_startup_that_raises_shows_its_traceback(run: Run) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise OSError("no database")

    async def scenario() -> None:
        with pytest.raises(AppError, match="raised: OSError: no database") as error:
            await lifespan(app).startup()
        assert error.value.detail.count("  File ") == 1

    run(scenario())


def test_an_application_without_lifespan_is_served(run: Run) -> None:
    async def raises(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"

    async def returns(scope: Any, receive: Any, send: Any) -> None:
        return

    async def scenario() -> None:
        for app in (raises, returns):
            life = lifespan(app)
            await life.startup()
            await life.shutdown()
            assert life.state == {}

    run(scenario())


def test_a_handler_has_no_lifespan(run: Run) -> None:
    async def handler(request: Any) -> str:
        raise AssertionError("not called")

    async def scenario() -> None:
        life = lifespan(handler, "handler")
        await life.startup()
        await life.shutdown()

    run(scenario())


def test_a_failed_shutdown_is_logged(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "still busy"})

    async def scenario() -> None:
        life = lifespan(app)
        await life.startup()
        await life.shutdown()

    run(scenario())
    assert "lifespan_failed" in capfd.readouterr().err


@pytest.mark.parametrize("early", [True, False])
def test_a_lifespan_that_ends_too_soon_is_logged(
    run: Run, capfd: pytest.CaptureFixture[str], early: bool
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        if not early:
            await receive()
        raise OSError("gone")

    async def scenario() -> None:
        life = lifespan(app)
        await life.startup()
        await asyncio.sleep(0)
        await life.shutdown()

    run(scenario())
    assert capfd.readouterr().err.count("OSError: gone") >= 1


def test_its_context_is_its_own(run: Run) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        VARIABLE.set("set")
        await well_behaved(scope, receive, send)

    async def scenario() -> None:
        life = lifespan(app)
        await life.startup()
        assert VARIABLE.get() == "unset"
        await life.shutdown()

    run(scenario())
