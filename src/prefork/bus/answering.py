"""Who responds to the requests of others here, and what becomes of what it says or raises."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prefork import log
from prefork.bus import inquiry
from prefork.bus.engine import ANSWERS, REQUESTS, Engine, Identity
from prefork.bus.envelope import Frame
from prefork.bus.subscription import Report, is_told_to_end
from prefork.errors import BusError
from prefork.wire import post
from prefork.wire.complaint import Complaint

MOST_ANSWERING = 1000  # requests that one worker is answering at a time

Respond = Callable[[Any], Any]  # plain, or a coroutine function; returns the reply


class Answering:
    """Of one worker. *report*: is told what users' code raises."""

    def __init__(self, identity: Identity, report: Report) -> None:
        self._identity = identity
        self._report = report
        self._responders: dict[bytes, Respond] = {}  # by channel
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusals = Complaint("bus_requests_dropped")

    def respond(self, channel: bytes, respond: Respond) -> None:
        """Answer what comes there by what *respond* returns."""
        self._responders[channel] = respond

    def heed(self, frame: Frame, engine: Engine) -> None:
        """Answer a request, if it is one. Raises RemoteError where it should be, and is none."""
        respond = self._responders.get(frame.channel)
        if respond is None:
            return
        loop = asyncio.get_running_loop()
        if len(self._tasks) == MOST_ANSWERING:
            self._refusals.tell(loop.time(), reason=f"{MOST_ANSWERING} are being answered")
            return
        number, value = inquiry.read_question(frame.payload)
        request = _Request(frame, number, self._identity.name, engine)
        task = loop.create_task(self._respond(respond, value, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _respond(self, respond: Respond, value: bytes, request: "_Request") -> None:
        """Answer by what the user's code returns, or say that it raised, or that it is too much."""
        try:
            made = respond(post.decode(value))
            made = await made if inspect.isawaitable(made) else made
            await request.answer(post.encode(made))
        except (Exception, asyncio.CancelledError) as error:  # whoever asked is told
            if is_told_to_end(error):
                raise
            self._report(request.topic, error)
            await request.answer(None)


@dataclass(frozen=True, slots=True)
class _Request:
    """A request, and by what it is answered; *name*: ours."""

    frame: Frame
    number: int
    name: str
    engine: Engine

    @property
    def topic(self) -> str:
        return self.frame.channel.removeprefix(REQUESTS).decode()

    async def answer(self, value: bytes | None) -> None:
        """Raises ValueError where it is more than the engine takes."""
        channel = ANSWERS + b"%016x" % self.frame.sender
        try:
            await self.engine.publish(channel, inquiry.answer(self.number, self.name, value))
        except BusError as error:
            log.warning("bus_answer_lost", topic=self.topic, reason=str(error))
