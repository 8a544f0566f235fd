"""The life of a worker process that is forked, from its fork to its exit code."""

import asyncio
import gc
import os
import ssl

from prefork import log
from prefork.errors import AppError, ExitCode, SettingsError
from prefork.wire import lineage, outlet
from prefork.wire.estate import WorkerBirth
from prefork.wire.messages import LeftRotation, Proven, Ready
from prefork.worker import chance, credentials, deadline
from prefork.worker.code import Code
from prefork.worker.deadline import FLUSH
from prefork.worker.door import Door
from prefork.worker.handback import HandBack
from prefork.worker.heartbeat import Heartbeat
from prefork.worker.hooks import Hook, WorkerInfo
from prefork.worker.intake import Intake, Place
from prefork.worker.lifespan import Lifespan
from prefork.worker.link import Link
from prefork.worker.loop import new_event_loop
from prefork.worker.premises import Premises
from prefork.worker.presence import LAST_WORDS, Presence
from prefork.worker.report import report


def main(birth: WorkerBirth, code: Code | None = None, tls: ssl.SSLContext | None = None) -> int:
    """Serve until told to stop. Returns the exit code. *code* and *tls*: as the template has them.

    Without a template each worker makes its own: a TLS session then goes on at that worker alone.
    """
    settings = birth.estate.settings
    lineage.die_with(birth.estate.primary)
    gc.enable()
    chance.reseed()
    here = Presence.of(birth)
    outlet.divert(birth.estate.output, f"w{birth.slot}")
    try:
        here.watch()
        tls = tls or credentials.context(settings)
        code = code or Code.load(settings)
    except (AppError, SettingsError) as error:
        stage = "startup" if error.exit_code is ExitCode.APP_START else "import"
        report(here.channel, stage, error)
        return error.exit_code
    try:
        code.post_fork.run(_info(birth))
    except AppError as error:
        report(here.channel, "startup", error)
        return ExitCode.APP_START
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(Worker(here, code, tls).live())


class Worker:
    def __init__(self, here: Presence, code: Code, tls: ssl.SSLContext | None = None) -> None:
        self._here = here
        self._birth = here.birth
        self._code = code
        assert code.application is not None, "where there is none, there are no workers"
        self._application = code.application
        self._tls = tls

    async def live(self) -> int:
        """Start up, serve, drain, shut down."""
        loop = asyncio.get_running_loop()
        link = self._here.settle(loop)
        lifespan = Lifespan(self._application)
        try:
            await lifespan.startup()
            premises = Premises(self._here, loop, self._tls)
            door = premises.door(self._application, lifespan.state, self._here.line)
        except AppError as error:
            return await self._fail(error)
        intake = self._open(link, premises, door)
        link.ready(Ready(os.getpid(), self._application.kind))
        trial = loop.call_later(self._birth.estate.settings.min_uptime, link.say, Proven())
        while link.stop_by is None:
            await link.until_told()
            trial.cancel()
            if link.stop_by is None:  # so we are admitted
                intake.accept_from(self._birth.listeners, door)
        await self._call(self._code.pre_stop, link)
        code = await self._leave(door, intake, link)
        code = await deadline.shut_down(lifespan.shutdown(), link, code)
        await self._call(self._code.worker_exit, link)
        await self._here.take_leave(link.stop_by)
        premises.finish(link.stop_by)
        link.deafen()
        return code

    async def _fail(self, error: AppError) -> int:
        """Say why, and let arrive what the application has sent."""
        report(self._here.channel, "startup", error)
        await self._here.take_leave(asyncio.get_running_loop().time() + LAST_WORDS)
        return ExitCode.APP_START

    async def _leave(self, door: Door, intake: Intake, link: Link) -> int:
        """Take nothing more, and finish what there is."""
        intake.stop()
        link.say(LeftRotation())
        door.server.start_drain(self._way_back(door, intake) if link.hands_back else None)
        code = await deadline.drain([door.server], link)
        door.server.leave(FLUSH)
        return code

    def _way_back(self, door: Door, intake: Intake) -> HandBack | None:
        families = self._birth.estate.families
        return intake.hand_back(door, {family: n for n, family in enumerate(families)})

    async def _call(self, hook: Hook, link: Link) -> None:
        """Call a hook of the stop, at most until that's deadline."""
        if not await deadline.within(link, hook.run_in_loop(_info(self._birth))):
            log.error("hook_cut", hook=hook.moment, reason="it did not end by the deadline")

    def _open(self, link: Link, premises: Premises, door: Door) -> Intake:
        loop = asyncio.get_running_loop()
        Heartbeat(self._here.line, loop, door.server.tick, premises.most_connections).beat()
        intake = Intake(self._birth.handover, link, self._here.lines, loop)
        families = enumerate(self._birth.estate.families)
        intake.receive({number: Place(family, door) for number, family in families})
        return intake


def _info(birth: WorkerBirth) -> WorkerInfo:
    """What hooks are told of this worker."""
    return WorkerInfo(birth.slot, birth.generation, os.getpid())
