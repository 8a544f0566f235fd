"""The life of a worker process, from its fork to its exit code."""

import asyncio
import gc
import os
import select
import ssl
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from setproctitle import setproctitle

from prefork import log
from prefork.errors import AppError, ExitCode, SettingsError
from prefork.http.forwarded import Trust
from prefork.settings.peers import Peers
from prefork.wire import lineage
from prefork.wire.board import Field
from prefork.wire.channel import Channel
from prefork.wire.estate import WorkerBirth
from prefork.wire.messages import Failed, LeftRotation, Online, Proven, Ready
from prefork.wire.outlet import Outlet
from prefork.worker import bounds, broadcast, credentials, heartbeat, member, witness
from prefork.worker.access_log import open_access_log
from prefork.worker.code import Code
from prefork.worker.heartbeat import Bystander, Heartbeat
from prefork.worker.hooks import Hook, WorkerInfo
from prefork.worker.intake import Intake
from prefork.worker.lifespan import Lifespan
from prefork.worker.link import Link
from prefork.worker.member import Identity, Member
from prefork.worker.server import Server
from prefork.worker.witness import Witness

try:
    import uvloop

    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
except ImportError:  # a platform that uvloop isn't built for
    new_event_loop = asyncio.new_event_loop

LONGEST_REASON = 2000  # characters of a message that the primary is told; the beginning
LONGEST_DETAIL = 32 * 1024  # characters of a traceback; the end. At most four bytes each
LAST_LINES = 2.0  # seconds that a slow reader of the access log gets, within the deadline
FLUSH = 0.1  # seconds for the last answers after the deadline, and for threads to end


def main(birth: WorkerBirth, code: Code | None = None, tls: ssl.SSLContext | None = None) -> int:
    """Serve until told to stop. Returns the exit code. *code* and *tls*: as the template has them.

    Without a template each worker makes its own: a TLS session then goes on at that worker alone.
    """
    settings = birth.estate.settings
    lineage.die_with(birth.estate.primary)
    gc.enable()
    _reseed()
    setproctitle(f"prefork: worker {birth.slot} g{birth.generation} [{settings.app}]")
    channel = _come_online(birth)
    line = birth.estate.board.line(birth.line)
    outlet = Outlet(birth.estate.output, f"w{birth.slot}")
    outlet.open()
    me = _become_member(birth)
    witness.listen(birth.inquiry)
    seen = Witness()
    try:
        heartbeat.watch(Bystander(channel, outlet, birth.inquiry, seen), line)
        tls = tls or credentials.context(settings)
        code = code or Code.load(settings)
    except (AppError, SettingsError) as error:
        stage = "startup" if error.exit_code is ExitCode.APP_START else "import"
        report(channel, stage, error)
        return error.exit_code
    try:
        code.post_fork.run(_info(birth))
    except AppError as error:
        report(channel, "startup", error)
        return ExitCode.APP_START
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(Worker(birth, channel, code, seen, tls).live(me))


def _come_online(birth: WorkerBirth) -> Channel:
    channel = Channel(birth.channel)
    channel.send(Online(os.getpid()))
    return channel


class Worker:
    def __init__(
        self,
        birth: WorkerBirth,
        channel: Channel,
        code: Code,
        seen: Witness,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._birth = birth
        self._channel = channel
        self._code = code
        self._seen = seen
        self._tls = tls

    async def live(self, member: Member) -> int:
        """Start up, serve, drain, shut down."""
        loop = self._seen.loop = asyncio.get_running_loop()
        link = Link(self._channel, loop)
        member.attach(loop, link)
        broadcast.join(self._birth.estate.member(self._birth.id), link)
        lifespan = Lifespan(self._code.application)
        try:
            await lifespan.startup()
            server, intake = self._open(link, lifespan, loop)
        except AppError as error:
            report(self._channel, "startup", error)
            return ExitCode.APP_START
        link.ready(Ready(os.getpid(), self._code.application.kind))
        trial = loop.call_later(self._birth.estate.settings.min_uptime, link.say, Proven())
        while link.stop_by is None:
            await link.until_told()
            trial.cancel()
            if link.stop_by is None:  # so we are admitted
                intake.accept_from(self._birth.listeners)
        await self._call(self._code.pre_stop, link)
        code = await self._leave(server, intake, link)
        code = await _shut_down(lifespan, link, code)
        await self._call(self._code.worker_exit, link)
        await member.finish(link.stop_by)
        await broadcast.leave(link.stop_by)
        self._finish(server, link.stop_by - loop.time())
        return code

    async def _leave(self, server: Server, intake: Intake, link: Link) -> int:
        """Take nothing more, and finish what there is."""
        intake.stop()
        link.say(LeftRotation())
        server.start_drain(intake.hand_back() if link.hands_back else None)
        code = await _drain(server, link, asyncio.get_running_loop())
        server.leave(FLUSH)
        return code

    def _finish(self, server: Server, seconds: float) -> None:
        """Write the last lines. That blocks, as it may now: we beat no more."""
        self._birth.estate.board.line(self._birth.line)[Field.BEAT] = 0
        server.finish(min(LAST_LINES, seconds))

    async def _call(self, hook: Hook, link: Link) -> None:
        """Call a hook of the stop, at most until that's deadline."""
        if not await _within(link, hook.run_in_loop(_info(self._birth))):
            log.error("hook_cut", hook=hook.moment, reason="it did not end by the deadline")

    def _open(
        self, link: Link, lifespan: Lifespan, loop: asyncio.AbstractEventLoop
    ) -> tuple[Server, Intake]:
        birth, settings = self._birth, self._birth.estate.settings
        line = birth.estate.board.line(birth.line)
        server = Server(
            self._code.application, bounds.limits_of(settings), line, loop, lifespan.state
        )
        self._seen.members = server.members
        server.trust(Trust(Peers(settings.forwarded_allow_ips), settings.forwarded_headers))
        server.log_to(open_access_log(settings, birth.estate.stdout))
        Heartbeat(
            line, loop, server.tick, bounds.most_connections(settings, birth.estate.workers)
        ).beat()
        intake = Intake(server, link, line, birth.estate.board.line(0), loop)
        if self._tls is not None:
            intake.speak_tls(self._tls)
        if proxies := Peers(settings.proxy_protocol_allow_ips):
            intake.await_headers(server.preambles(proxies))
        intake.receive_from(birth.handover, birth.estate.families)
        return server, intake


async def _drain(server: Server, link: Link, loop: asyncio.AbstractEventLoop) -> int:
    """Wait until every connection is done, at most until the deadline, which may be moved."""
    while not server.drained.done():
        assert link.stop_by is not None
        if not link.hands_back:
            server.end_hand_back()
        if loop.time() >= link.stop_by:
            lost = server.cut()
            log.warning("requests_cut", requests=lost)
            await asyncio.wait([server.drained], timeout=FLUSH)
            server.publish()
            return ExitCode.CUT if lost else ExitCode.OK
        await link.until_told(server.drained, by=link.stop_by)
    server.publish()
    return ExitCode.OK


async def _shut_down(lifespan: Lifespan, link: Link, code: int) -> int:
    if await _within(link, lifespan.shutdown()):
        return code
    log.error("shutdown_cut", reason="the lifespan's shutdown did not end by the deadline")
    return ExitCode.CUT


async def _within(link: Link, work: Coroutine[Any, Any, None]) -> bool:
    """Run it as a task of its own, at most until the deadline, which may be moved.

    Whatever it is, and however it ends, the drain goes on. False: it was cut.
    """
    loop = asyncio.get_running_loop()
    task, least = loop.create_task(work), loop.time() + FLUSH
    while not task.done():
        assert link.stop_by is not None
        by = max(link.stop_by, least)
        if loop.time() >= by:
            task.cancel()
            await asyncio.wait([task], timeout=FLUSH)
            return False
        await link.until_told(task, by=by)
    if not task.cancelled():
        task.result()  # ours alone could raise here
    return True


def _info(birth: WorkerBirth) -> WorkerInfo:
    """What hooks are told of this worker."""
    return WorkerInfo(birth.slot, birth.generation, os.getpid())


def report(channel: Channel, stage: str, error: AppError | SettingsError) -> None:
    """Tell the primary why the application failed, before we exit; or that settings are why."""
    reason, detail = _encodable(str(error))[:LONGEST_REASON], ""
    if isinstance(error, AppError):
        detail = _encodable(error.detail)[-LONGEST_DETAIL:]
    else:
        stage = "settings"
    channel.send(Failed(stage, reason, detail))
    while not channel.flush():
        select.select([], [channel], [])


def _encodable(text: str) -> str:
    """Spell out what is no character: an exception's message may hold anything."""
    return text.encode(errors="backslashreplace").decode()


def _become_member(birth: WorkerBirth) -> Member:
    """Be a worker that its application knows; what a template imported has given it handlers."""
    it = member.current = member.current or Member()
    it.be(Identity(birth.id, birth.slot, birth.generation))
    return it


def _reseed() -> None:
    """Workers forked from one template would draw the same numbers; `random` sees to itself."""
    if random := sys.modules.get("numpy.random"):
        with suppress(AttributeError):
            random.seed()
