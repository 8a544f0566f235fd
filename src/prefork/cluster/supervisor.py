"""A primary in the user's own process: what both idioms can do with it."""

import os
import signal as signals
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar, overload

from prefork import log
from prefork.boot.instance import Instance
from prefork.cluster.events import Handler, Registered, require_plain
from prefork.cluster.handle import Then, Worker
from prefork.cluster.narrator import Narrator, Reply
from prefork.cluster.timers import Callback, Timer, Timers
from prefork.core.facts import Leaving, ReloadRequested, StopRequested
from prefork.errors import AppError, ExitCode, PreforkError, RequestError
from prefork.primary import reaper
from prefork.primary.children import Child
from prefork.primary.posts import Said
from prefork.primary.questions import Answer
from prefork.settings.schema import Settings
from prefork.wire.descriptors import close_all
from prefork.wire.estate import Launch

Result = TypeVar("Result")
_primaries: set[int] = set()  # pids; a child that is forked has its parent's here


class Supervisor:
    """Its handlers run in the one thread of the primary, one after the other: none may block."""

    def __init__(self) -> None:
        self._narrator = Narrator(self._addresses)
        self._narrator.reins = self
        self._timers = Timers(self._narrator.ring)
        self._made: Instance | None = None
        self._has_ended = False  # what was made has run, and is of no use any more

    # -- events --------------------------------------------------------------

    @overload
    def on(self, event: str, handler: Registered) -> Registered: ...
    @overload
    def on(self, event: str) -> Callable[[Registered], Registered]: ...
    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Call *handler* at each such event; also as a decorator: `@cluster.on("exit")`.

        Where a handler takes fewer arguments than there are, it gets the first of them. Raises
        ValueError for an event that doesn't exist, and a second handler of "request"; TypeError
        for a coroutine function, and one that takes more arguments than there are.
        """
        return self._narrator.events.on(event, handler)

    @overload
    def once(self, event: str, handler: Registered) -> Registered: ...
    @overload
    def once(self, event: str) -> Callable[[Registered], Registered]: ...
    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Call *handler* at the next such event, and then no more; otherwise as `on`."""
        return self._narrator.events.on(event, handler, is_once=True)

    def off(self, event: str, handler: Handler) -> None:
        """Call *handler* no more, where it was to be called. Raises ValueError as `on`."""
        self._narrator.events.off(event, handler)

    def call_later(self, seconds: float, callback: Callback) -> Timer:
        """Call *callback*, without arguments, in the primary's loop after so many seconds.

        The timer that it returns may be cancelled. Raises ValueError for what is no finite
        number of seconds, and TypeError for a coroutine function.
        """
        require_main_thread()
        require_plain(callback)
        return self._timers.add(time.monotonic() + seconds, callback)

    # -- workers -------------------------------------------------------------

    @property
    def workers(self) -> Mapping[int, Worker]:
        """Every worker by its id, from its start until it has disconnected and exited."""
        return MappingProxyType(self._narrator.workers)

    def reload(self) -> None:
        """Replace every worker by one that loads the code anew, as SIGHUP does.

        Raises RuntimeError before `run`, as `stop` and `scale` do.
        """
        self._instance.primary.insist(ReloadRequested())  # or "reload" were told once more

    def stop(self) -> None:
        """Let all finish what they have, then end, as SIGTERM does."""
        self._instance.primary.tell(StopRequested())

    # -- what a Worker can be told (see `handle.Reins`) -----------------------

    def send(self, id: int, message: Any, fds: Sequence[int]) -> bool:
        return self._instance.host.reception.posts.send(id, message, fds)

    def request(self, id: int, message: Any, timeout: float, then: Then) -> None:
        require_plain(then)
        posts = self._instance.host.reception.posts
        if id in posts.mailboxes:
            posts.request(id, message, timeout, partial(self._answer, then))
        else:  # told in another turn: else whoever asks again would never let it end
            gone = partial(self._answer, then, Answer(failure="it has gone"))
            self._timers.add(time.monotonic(), gone)

    def _answer(self, then: Then, answer: Answer) -> None:
        error = RequestError(answer.failure) if answer.failure else None
        self._narrator.later(
            partial(self._narrator.events.call, "reply", then, answer.value, error)
        )

    def disconnect_worker(self, id: int) -> None:
        """Have it replaced; one that is still starting as soon as it serves."""
        worker = self.workers.get(id)
        if worker is not None and worker.state == "listening":
            self._instance.primary.tell(Leaving(id))
        elif worker is not None and worker.is_connected():
            worker.once("listening", lambda: self.disconnect_worker(id))

    def kill_worker(self, id: int, signal: int) -> None:
        child = self._instance.host.children.get(id)
        if child is None:
            self.disconnect_worker(id)  # it waits for its time, where it is to come at all
        elif child.pid is None:
            self.workers[id].doom = signal
        else:
            if signal == signals.SIGKILL:  # of others it may not die, or may and say why itself
                child.reason = child.reason or "SIGKILL by its primary's code"
            reaper.kill(child.pid, signal)

    def _receive(self, child: Child, said: Said) -> None:
        """Have a handler take what a worker says; its answer is what a handler returns."""
        posts = self._instance.host.reception.posts
        if said.number:
            close_all(said.descriptors)
            answer = Reply(
                partial(posts.reply, child.id, said.number),
                partial(posts.fail, child.id, said.number),
            )
            self._narrator.asked(child.id, said.value, answer)
        else:
            self._narrator.received(child.id, said.value, said.descriptors)

    # -- life ----------------------------------------------------------------

    @property
    def _instance(self) -> Instance:
        require_main_thread()
        if self._made is None:
            raise RuntimeError("there is no primary yet: nothing was forked, and run() not called")
        return self._made

    def _begin(self, settings: Settings, launch: Launch | None = None) -> bool:
        """Make the primary, and have done what comes before its fleet; False: it was told to stop.

        Raises SystemExit where it can't be.
        """
        try:
            self._made = self._make(settings, launch)
        except PreforkError as error:
            leave(error)
        if self._attempt(self._made, self._made.begin):
            return True
        self._end(self._made)
        return False

    def _make(self, settings: Settings, launch: Launch | None) -> Instance:
        if _primaries and os.getpid() not in _primaries:
            raise RuntimeError(
                "a worker can't be a primary: put what starts the cluster under "
                'if __name__ == "__main__"'
            )
        require_main_thread()
        made = Instance(settings, self._narrator, launch)
        _primaries.add(os.getpid())
        made.host.clocks.append(self._timers)
        made.host.reception.posts.received = self._receive
        return made

    def _run(self, instance: Instance) -> None:
        """Raises SystemExit with what the process is to exit with, where that isn't 0."""
        code = self._attempt(instance, self._live)
        self._end(instance)
        if code != ExitCode.OK:
            sys.exit(code)

    def _live(self) -> int:
        self._narrator.speak()  # else the fleet might be over before it is told more
        return self._instance.run()

    def _attempt(self, instance: Instance, what: Callable[[], Result]) -> Result:
        """Do it, or end."""
        with ExitStack() as failed:
            failed.callback(self._end, instance)
            try:
                result = what()
            except PreforkError as error:
                leave(error)
            except BaseException:  # also a handler's sys.exit(): the kernel ends who is left
                instance.abandon()
                raise
            failed.pop_all()
        return result

    def _end(self, instance: Instance) -> None:
        try:
            instance.close()
        finally:
            instance.forget()
            self._has_ended = True

    def _addresses(self) -> Sequence[str]:
        return self._instance.host.estate.bind


def leave(error: PreforkError) -> NoReturn:
    """Say in one line why it can't go on, after the application's own traceback; and exit so."""
    if isinstance(error, AppError) and error.detail:
        print(error.detail, file=sys.stderr)
    print(f"prefork: error: {log.escape(str(error))}", file=sys.stderr)
    raise SystemExit(int(error.exit_code)) from error


def require_main_thread() -> None:
    """Raise RuntimeError elsewhere: Python catches signals there, the kernel ends workers with the
    thread that has forked them, and nothing that the loop uses is locked."""
    if threading.get_ident() != threading.main_thread().ident:
        raise RuntimeError("a cluster lives in the main thread: it can't be used from another")
