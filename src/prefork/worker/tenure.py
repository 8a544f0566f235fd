"""The time of a script's worker in an event loop: what it serves there, until all is finished."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

from prefork import log
from prefork.errors import ExitCode
from prefork.wire.board import Share
from prefork.wire.messages import LeftRotation, Proven, Ready, Unlisten
from prefork.worker import deadline
from prefork.worker.application import Application
from prefork.worker.deadline import FLUSH
from prefork.worker.handback import HandBack
from prefork.worker.heartbeat import Heartbeat
from prefork.worker.intake import Intake, Place
from prefork.worker.lifespan import Lifespan
from prefork.worker.petitions import Petitions, StoppedError
from prefork.worker.premises import Premises
from prefork.worker.presence import LAST_WORDS, Presence
from prefork.worker.serving import Serving, Where

LAST_STEPS = 1.0  # seconds that the user's coroutine has to return, once all else has ended
PATIENCE = 0.5  # of `start_timeout`: then it is ready that goes on and has not listened

Main = Callable[[], Awaitable[object]]  # the user's coroutine function


class Tenure:
    """Begins when it is made; `live` is its course and its end."""

    def __init__(
        self, here: Presence, loop: asyncio.AbstractEventLoop, tls: ssl.SSLContext | None
    ) -> None:
        self.loop = loop
        self._here = here
        self._settings = here.birth.estate.settings
        self._link = here.settle(loop)
        self._link.leaves_at_once = True
        self._link.count_in = self.be_ready
        self._premises = Premises(here, loop, tls)
        self._intake = Intake(here.birth.handover, self._link, here.lines, loop)
        self._intake.receive({})
        self._petitions = Petitions(self._link, loop, self._opened)
        self._servings: list[Serving] = []
        self._accepts = False
        most = self._premises.most_connections
        self._heartbeat = Heartbeat(here.line, loop, self._tick, most)
        self._heartbeat.beat()

    # -- serving -------------------------------------------------------------

    async def listen(self, application: Application, where: Where) -> Serving:
        """Serve an application at one more address. Raises OSError, and AppError."""
        where = await where.resolved()
        lifespan = Lifespan(application)
        await lifespan.startup()
        door = self._premises.door(application, lifespan.state, Share(self._here.line))
        serving = Serving(door, lifespan, where.max_connections, self)
        self._servings.append(serving)
        self._limit()
        try:
            await self._petitions.ask(serving, where)
        except BaseException:
            await serving.close()  # it may be open nonetheless
            self._limit()
            raise
        self.be_ready(application.kind)
        return serving

    def _opened(self, serving: Serving) -> None:
        assert serving.number is not None, "it is open"
        self._intake.receive({serving.number: Place(serving.family, serving.door)})
        if self._accepts:
            self._intake.accept_from(serving.listeners, serving.door)

    def _limit(self) -> None:
        """Let the board say how many connections all may have, where each has a limit.

        So nobody gives more than that. Where only some have one, theirs is kept by shutting them.
        """
        most = [each.most for each in self._servings if not each.is_closing]
        limits = [each for each in most if each is not None]
        usual = self._premises.most_connections
        is_limited = limits and len(limits) == len(most)
        self._heartbeat.limit(min(usual, sum(limits)) if is_limited else usual)

    def reopen(self, serving: Serving) -> None:
        self._petitions.ask_again(serving)

    def forsake(self, serving: Serving) -> None:
        assert serving.number is not None, "it was opened"
        self._link.say(Unlisten(serving.number))
        self._intake.close(serving.number, serving.listeners)
        self._limit()

    def _tick(self, now: float) -> None:
        for each in [each for each in self._servings if each.is_over]:
            self._servings.remove(each)
            self._premises.forget(each.door)
        for each in self._servings:
            each.door.server.tick(now)

    # -- life ----------------------------------------------------------------

    async def live(self, main: Main | None = None) -> int:
        """Run *main* too, until told to stop; then finish everything.

        Returns the exit code. Raises what *main* raises; the process is to end then.
        """
        task = None if main is None else asyncio.ensure_future(main())
        try:
            await self._until_told_to_stop(task)
        except GeneratorExit:  # the loop was closed over us, and nothing can be awaited
            self._here.stop_beating()
            raise
        except BaseException:  # also where an event loop of the user's ends
            await self._abandon()
            raise
        return await self._leave(task)

    async def _until_told_to_stop(self, task: "asyncio.Future[object] | None") -> None:
        late = self.loop.call_later(self._settings.start_timeout * PATIENCE, self.be_ready)
        while self._link.stop_by is None:
            await self._link.until_told(*_running(task))
            if task is not None and task.done():
                _look_at(task)
                self.be_ready()
            if self._link.is_admitted and self._link.stop_by is None:
                self._accept()
        late.cancel()

    async def _abandon(self) -> None:
        """Leave the addresses to others, as nobody serves here any more; what follows may block."""
        for each in self._servings:
            if each.is_open:
                self.forsake(each)
        by = self.loop.time() + LAST_WORDS
        await self._here.member.detach(by)
        self._premises.finish(by)
        self._link.let_go()

    def be_ready(self, interface: str = "") -> None:
        """Say that we serve, the first time."""
        if not self._here.is_ready:
            self._here.is_ready = True
            self._link.say(Ready(os.getpid(), interface))
            self.loop.call_later(self._settings.min_uptime, self._link.say, Proven())

    def _accept(self) -> None:
        if not self._accepts:
            self._accepts = True
            for each in self._servings:
                if each.is_open:
                    self._intake.accept_from(each.listeners, each.door)

    def _way_back(self, serving: Serving) -> HandBack | None:
        if serving.number is None:
            return None  # nothing has come to it
        return self._intake.hand_back(serving.door, {serving.family: serving.number})

    async def _leave(self, task: "asyncio.Future[object] | None") -> int:
        """Take nothing more, and finish what there is."""
        link, servings = self._link, list(self._servings)
        self._intake.stop()
        link.say(LeftRotation())
        self._petitions.withdraw()
        for each in servings:
            each.door.server.start_drain(self._way_back(each) if link.hands_back else None)
        code = await deadline.drain([each.door.server for each in servings], link)
        for each in servings:
            each.door.server.leave(FLUSH)
            code = await deadline.shut_down(each.ended(), link, code)
        assert link.stop_by is not None
        try:
            return code if task is None else await self._end(task, code)
        finally:
            await self._here.take_leave(link.stop_by)
            self._premises.finish(link.stop_by)
            link.deafen()

    async def _end(self, task: "asyncio.Future[object]", code: int) -> int:
        """Let main take its last steps; one that goes on for ever is told by a cancellation."""
        link, last = self._link, self.loop.time() + LAST_STEPS
        link.leading.cancel()
        while not task.done() and link.stop_by is not None:
            by = min(last, link.stop_by - FLUSH)
            if self.loop.time() >= by:
                task.cancel()
                break
            await link.until_told(task, by=by)
        if not await deadline.within(link, _ended(task)):
            log.error("main_cut", reason="the script's main did not end by the deadline")
            return ExitCode.CUT
        return code


def _running(task: "asyncio.Future[object] | None") -> "list[asyncio.Future[object]]":
    return [] if task is None or task.done() else [task]


def _look_at(task: "asyncio.Future[object]") -> None:
    """Raise what it raised, unless it was cancelled, or told that it is too late to listen."""
    with suppress(StoppedError, asyncio.CancelledError):
        task.result()


async def _ended(task: "asyncio.Future[object]") -> None:
    await asyncio.wait([task])
    _look_at(task)
