"""Node's `cluster`, in Python: a script that forks itself; see docs/howto/from-node-cluster.md.

In the primary nothing is awaited, for it has no event loop; in a worker the same verbs are
coroutines. `worker` and the bus are there in the workers of a declared fleet too.
"""

import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, overload

from prefork.cluster import beginning
from prefork.settings.cpus import available_parallelism as available_parallelism

if TYPE_CHECKING:
    from typing import Unpack

    from prefork.bus.inquiry import Replies
    from prefork.bus.subscription import Subscription
    from prefork.cluster.events import Registered
    from prefork.cluster.handle import Worker
    from prefork.cluster.scripted import Script
    from prefork.cluster.timers import Timer
    from prefork.worker.member import Member
    from prefork.worker.script import Whereabouts
    from prefork.worker.serving import Serving
    from prefork.worker.tenure import Main

    is_primary: bool
    is_worker: bool
    worker: Member
    workers: Mapping[int, Worker]
    settings: Mapping[str, Any]
    policy: str


def _require_worker(what: str) -> None:
    if _member() is None:
        raise RuntimeError(f"this is the primary: {what} is for workers")


def _member() -> "Member | None":
    """This process as a worker, where it is one."""
    found = sys.modules.get("prefork.worker.member")
    return None if found is None else found.current


@cache
def _script() -> "Script":
    if _member() is not None:
        raise RuntimeError("this process is a worker: only the primary can do that")
    from prefork.cluster.scripted import Script

    return Script()


class _Cluster(ModuleType):
    """The module, with attributes that change, and one that can be set."""

    @property
    def is_worker(self) -> bool:
        """Whether this process is a worker."""
        return _member() is not None

    @property
    def is_primary(self) -> bool:
        """Whether it is none: also before anything was forked."""
        return _member() is None

    @property
    def worker(self) -> "Member":
        """This worker, from within. Raises RuntimeError in the primary."""
        if (member := _member()) is None:
            raise RuntimeError("cluster.worker is there in workers only; see cluster.is_worker")
        return member

    @property
    def workers(self) -> "Mapping[int, Worker]":
        return _script().workers

    @property
    def settings(self) -> Mapping[str, Any]:
        """What `setup_primary` was told, all of it together."""
        return _script().settings

    @property
    def policy(self) -> str:
        return _script().policy

    @policy.setter
    def policy(self, name: str) -> None:
        _script().policy = name


sys.modules[__name__].__class__ = _Cluster


# -- in the primary ------------------------------------------------------------


def setup_primary(**settings: Any) -> None:
    """Say how workers are forked from now on, and by which settings."""
    _script().setup_primary(**settings)


def fork(env: Mapping[str, str] | None = None) -> "Worker":
    """Start the script again as a worker, with *env* added to its environment."""
    return _script().fork(env)


@overload
def on(event: str, handler: "Registered") -> "Registered": ...
@overload
def on(event: str) -> "Callable[[Registered], Registered]": ...
def on(event: str, handler: Callable[..., Any] | None = None) -> Any:
    """Call *handler* at each such event; also as a decorator: `@cluster.on("exit")`."""
    return _script().on(event, handler) if handler else _script().on(event)


@overload
def once(event: str, handler: "Registered") -> "Registered": ...
@overload
def once(event: str) -> "Callable[[Registered], Registered]": ...
def once(event: str, handler: Callable[..., Any] | None = None) -> Any:
    """Call *handler* at the next such event; also as a decorator."""
    return _script().once(event, handler) if handler else _script().once(event)


def off(event: str, handler: Callable[..., Any]) -> None:
    """Call *handler* no more."""
    _script().off(event, handler)


def call_later(seconds: float, callback: Callable[[], object]) -> "Timer":
    """Call *callback* in the primary's loop after so many seconds, unless it is cancelled."""
    return _script().call_later(seconds, callback)


# -- in both -------------------------------------------------------------------


def run(main: "Main | None" = None) -> None:
    """Be what this process is, until its end.

    The primary supervises, until it is stopped or nothing is left to do; it takes no *main*. A
    worker runs the coroutine function *main*, and serves and hears messages until it is told to go.
    *main* may return before; one that still runs a second after all else has ended is cancelled.
    Raises what *main* raises, and SystemExit where the process is not to exit with 0.
    """
    if _member() is None:
        if main is not None:
            raise TypeError("the primary runs no coroutine: run(main) is for workers")
        _script().run()
        return
    from prefork.worker import script

    script.run(main)


def disconnect(then: Callable[[], object] | None = None) -> Awaitable[None] | None:
    """Have all workers finish and go, and call *then*; in a worker: `await disconnect()`.

    With the last of them goes what they listened on. Where *then* forks again the primary goes on,
    else `run` returns. A worker leaves alone, as `worker.disconnect` says.
    """
    if (member := _member()) is not None:
        if then is not None:
            raise TypeError("a worker calls nothing then: await disconnect()")
        return member.disconnect()
    _script().disconnect(then)
    return None


# -- in workers ----------------------------------------------------------------


def serve(handler: Callable[..., Any], **where: "Unpack[Whereabouts]") -> None:
    """Serve until this worker is told to stop and all is finished."""
    _require_worker("serve()")
    from prefork.worker import script

    script.serve(handler, **where)


def listen(
    handler: Callable[..., Any], **where: "Unpack[Whereabouts]"
) -> "Coroutine[Any, Any, Serving]":
    """Serve what comes to an address, which the primary opens or has opened."""
    _require_worker("listen()")
    from prefork.worker import script

    return script.listen(handler, **where)


async def wait() -> None:
    """Wait until this worker was told to stop and has finished, in an event loop of yours."""
    _require_worker("wait()")
    from prefork.worker import script

    await script.wait()


def publish(topic: str, message: Any) -> "Coroutine[Any, Any, None]":
    """Send to every other worker that has subscribed to the topic."""
    _require_worker("publish()")
    from prefork.bus import station

    return station.publish(topic, message)


def subscribe(topic: str, callback: Callable[..., Any] | None = None) -> "Subscription":
    """Hear what others publish: by an `async for` over it, or by *callback*."""
    _require_worker("subscribe()")
    from prefork.bus import station

    return station.subscribe(topic, callback)


def request_all(topic: str, message: Any, timeout: float) -> "Coroutine[Any, Any, Replies]":
    """Ask every other worker that responds to the topic; those that didn't are named."""
    _require_worker("request_all()")
    from prefork.bus import station

    return station.request_all(topic, message, timeout)


def respond(topic: str, function: Callable[..., Any]) -> "Coroutine[Any, Any, None]":
    """Answer `request_all` with what *function*, maybe async, returns for its message.

    A later one for the same topic takes its place.
    """
    _require_worker("respond()")
    from prefork.bus import station

    return station.respond(topic, function)


beginning.begin()
