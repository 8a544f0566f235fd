"""What a script does in its workers: serve, on an event loop of ours or of its own."""

import asyncio
import atexit
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

from prefork import log
from prefork.errors import AppError, ExitCode, SettingsError
from prefork.memory import source
from prefork.settings import environment
from prefork.wire import lineage, outlet, signalling
from prefork.wire.estate import WorkerBirth
from prefork.worker import credentials, dismissal
from prefork.worker.application import Application, recognise
from prefork.worker.loop import new_event_loop
from prefork.worker.presence import Presence
from prefork.worker.report import report
from prefork.worker.serving import Serving, Where
from prefork.worker.tenure import Main, Tenure


class Whereabouts(TypedDict, total=False):
    """Where to listen, as `listen` says."""

    host: str  # a name or a number; by default 127.0.0.1
    port: int  # 0, the default: any; the k-th such of every worker is the same
    path: str | Path  # of a Unix socket, instead
    backlog: int
    ipv6_only: bool
    mode: int  # of the socket's file
    max_connections: int  # at the same time, of this server in this worker; others get the rest


class _Life:
    """Of this process, as a worker that runs a script."""

    def __init__(self) -> None:
        self.here: Presence | None = None  # None: it isn't one
        self.tenure: Tenure | None = None
        self.course: asyncio.Task[int] | None = None  # in an event loop of the user's
        self.waiting = 0  # for the end of that

    def presence(self) -> Presence:
        if self.here is None:
            raise RuntimeError(
                "only workers that a script has forked can listen, serve or run; with "
                "`prefork serve` and Cluster(…) they serve the application that was named there"
            )
        return self.here

    def begin(self) -> Tenure:
        """Live in the loop that runs."""
        here, loop = self.presence(), asyncio.get_running_loop()
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a worker serves in the event loop of its main thread")
        if self.tenure is not None and (here.is_ready or not self.tenure.loop.is_closed()):
            raise RuntimeError("this worker lives, or lived, in another event loop: it has but one")
        tls = credentials.context(here.birth.estate.settings)
        self.tenure = Tenure(here, loop, tls)
        return self.tenure

    def current(self) -> Tenure:
        """The tenure in the loop that runs; where it is the user's, it begins with this."""
        if self.tenure is not None and self.tenure.loop is asyncio.get_running_loop():
            return self.tenure
        tenure = self.begin()
        self.course = asyncio.create_task(tenure.live(), name="worker")
        self.course.add_done_callback(self._end)
        return tenure

    async def run(self, main: Main | None) -> int:
        tenure = self.begin()
        if main is None:
            tenure.be_ready()
        return await tenure.live(main)

    def _end(self, course: asyncio.Task[int]) -> None:
        """End the process with its tenure, unless somebody waits for that."""
        if self.waiting or course.cancelled():
            return
        if error := course.exception():
            sys.excepthook(type(error), error, error.__traceback__)
        raise SystemExit(1 if error else course.result())

    def say_last(self) -> None:
        """At the exit: let arrive what was sent, where no event loop came to do that."""
        here = self.presence()
        if here.member.is_unheard:
            asyncio.run(here.say_last())


_life = _Life()


def be_born(birth: WorkerBirth) -> None:
    """Be this worker, from now on. Raises AppError."""
    settings = birth.estate.settings
    lineage.die_with(birth.estate.primary)
    source.settle(birth.estate.control)
    desk = birth.estate.output
    log.configure(
        settings.log_level,
        settings.log_format,
        paints=environment.wants_colours(),
        descriptor=None if desk is None else desk.stderr,
    )
    if desk is not None:
        outlet.write_by_line()  # into the pipes that it had before it was this program
    dismissal.heed()  # until an event loop hears it: nothing is promised yet
    atexit.register(signal.signal, signal.SIGTERM, signal.SIG_IGN)  # else a late one's default
    atexit.register(_life.say_last)
    _life.here = Presence.of(birth)
    _life.here.watch()


async def listen(handler: Callable[..., Any], **where: Unpack[Whereabouts]) -> Serving:
    """Serve what comes to an address, which the primary opens or has opened.

    *handler*: an ASGI or WSGI application, or a coroutine function of a request; its lifespan is
    run for each `listen`. *host*: a name or a number; "" is every IPv4 address. *port*: 0 is any;
    the k-th such of every worker is the same. *path*: of a Unix socket, instead of host and port;
    *mode*: of its file, as 0o660. *max_connections*: how many this worker has open there at a time,
    while others get the rest.

    In an event loop of yours the process ends when this worker was told to stop and has finished,
    unless you `wait`. Raises OSError where the address can't be had; ask again if you like. Raises
    AppError where the handler is none, or doesn't start, TypeError for a port that is a text and
    the like, and RuntimeError in a worker that no script has forked.
    """
    tenure = _life.current()
    return await tenure.listen(_application(handler), Where.of(where))


def serve(handler: Callable[..., Any], **where: Unpack[Whereabouts]) -> None:
    """Listen, and be a worker until told to stop and all is finished.

    It is `run` with one `listen`, which takes the same; what that raises is raised here.
    """
    run(partial(listen, handler, **where))


def run(main: Main | None = None) -> None:
    """Be a worker until told to stop and all is finished, while *main* runs.

    *main* may return before. One that is still running a second after all else has ended is
    cancelled. Raises what it raises, and SystemExit where something was cut.
    """
    here = _life.presence()
    try:
        with ExitStack() as living:
            with signalling.masked():  # a stop that came now would leave half a loop
                runner = living.enter_context(asyncio.Runner(loop_factory=new_event_loop))
            code = runner.run(_life.run(main))
    except (AppError, SettingsError) as error:
        report(here.channel, "startup", error)
        is_theirs = isinstance(error, AppError)
        raise SystemExit(ExitCode.APP_START if is_theirs else error.exit_code) from None
    if code:
        raise SystemExit(code)


async def wait() -> None:
    """Wait until this worker was told to stop and has finished, in an event loop of yours.

    It is for `asyncio.run(main())`; `run(main)` waits by itself. Raises SystemExit where something
    was cut, and RuntimeError in `run(main)`, which would wait for itself.
    """
    _life.current()
    if _life.course is None:
        raise RuntimeError("run() waits by itself: return from main, or wait for what you need")
    _life.waiting += 1
    try:
        if code := await asyncio.shield(_life.course):
            raise SystemExit(code)
    finally:
        _life.waiting -= 1


def _application(handler: Callable[..., Any]) -> Application:
    """Raises AppError for one that we don't serve."""
    settings = _life.presence().birth.estate.settings
    name = getattr(handler, "__qualname__", type(handler).__qualname__)
    spec = f"{getattr(handler, '__module__', '?')}:{name}"
    if not callable(handler):
        raise AppError(f"not callable: {spec}")
    kind = recognise(handler, spec) if settings.interface == "auto" else settings.interface
    return Application(spec, kind, handler, settings.root_path, settings.threads)
