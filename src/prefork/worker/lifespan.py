"""The ASGI lifespan: the application's startup, the state it leaves for requests, its shutdown."""

import asyncio
from typing import Any

from prefork import log
from prefork.errors import AppError
from prefork.worker.application import Application
from prefork.worker.asgi import Message
from prefork.worker.tracebacks import ANYTHING, headline, own_traceback

VERSIONS = {"version": "3.0", "spec_version": "2.0"}


class Lifespan:
    """One application's life in this process. Only ASGI applications that want it have one."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._asked = False  # the application called receive(), so it knows what a lifespan is
        self._reply: asyncio.Future[Message] | None = None
        self._task: asyncio.Task[None] | None = None
        self._started = False
        self._error: BaseException | None = None  # what the application ended with
        self.state: dict[str, Any] = {}

    async def startup(self) -> None:
        """Run the startup. Raises AppError where it failed.

        An application that raises before it asked for a message doesn't know the protocol.
        """
        if self._application.kind != "asgi":
            return
        self._task = asyncio.create_task(self._run(), name="lifespan")
        reply = await self._tell("lifespan.startup")
        if reply is not None and reply["type"] == "lifespan.startup.failed":
            await asyncio.wait([self._task])
            raise AppError("the lifespan startup failed", str(reply.get("message", "")))
        if reply is None:
            self._give_up()
        self._started = reply is not None

    async def shutdown(self) -> None:
        """Run the shutdown, where there was a startup; what fails in it is logged."""
        if self._task is None or not self._started:
            return
        reply = await self._tell("lifespan.shutdown") if not self._task.done() else None
        if reply is not None:
            await asyncio.wait([self._task])
        if reply is not None and reply["type"] == "lifespan.shutdown.failed":
            self._complain("the lifespan shutdown failed", str(reply.get("message", "")))
        elif self._error is not None:
            self._complain(f"the lifespan raised: {headline(self._error)}", self._trace())

    def _give_up(self) -> None:
        """The application ended instead of answering: was that its way of saying no?"""
        if self._error is not None and self._asked:
            raise AppError(f"the lifespan startup raised: {headline(self._error)}", self._trace())
        log.debug("lifespan_unsupported")

    def _trace(self) -> str:
        return "" if self._error is None else own_traceback(self._error)

    def _complain(self, reason: str, detail: str) -> None:
        log.error("lifespan_failed", reason=reason, detail=detail)

    async def _tell(self, kind: str) -> Message | None:
        """Send a message and wait for the answer; None where the application ended instead."""
        assert self._task is not None
        self._reply = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait({"type": kind})
        ends: list[asyncio.Future[Any]] = [self._reply, self._task]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return self._reply.result() if self._reply.done() else None

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": VERSIONS, "state": self.state}
        try:
            await self._application.callable(scope, self._receive, self._send)
        except ANYTHING as error:
            self._error = error

    async def _receive(self) -> Message:
        self._asked = True
        return await self._inbox.get()

    async def _send(self, message: Message) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(message)
