"""The one bus of this worker, which is made on its event loop once somebody wants it."""

import asyncio
import os
from dataclasses import dataclass, field

from prefork.bus.answering import Respond
from prefork.bus.client import Bus, MakeEngine
from prefork.bus.inquiry import Replies
from prefork.bus.subscription import Callback, Report, Subscription
from prefork.errors import BusError


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker gives to its bus: which engine, under which name, and who is told."""

    make: MakeEngine
    name: str
    report: Report
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    pid: int = field(default_factory=os.getpid)


_surroundings: Surroundings | None = None
_bus: Bus | None = None


def settle(surroundings: Surroundings) -> None:
    """Say what the bus of this worker is made of, once somebody wants it."""
    global _surroundings  # noqa: PLW0603 - there is one worker in a process
    _surroundings = surroundings


def bus() -> Bus:
    """Return this worker's bus, made now if nobody wanted it before.

    Raises BusError outside of a worker, and of its event loop.
    """
    global _bus  # noqa: PLW0603 - as above
    here = _surroundings
    if here is None or here.pid != os.getpid():
        raise BusError("the bus is there only in a worker, once its event loop runs")
    if _running_loop() is not here.loop:
        raise BusError(
            "the bus is there only on the worker's event loop; from a thread: "
            "cluster.worker.call(COROUTINE, timeout), where the coroutine does what this was to do"
        )
    if _bus is None:
        _bus = Bus(here.name, here.make, here.report)
    return _bus


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def publish(topic: str, message: object) -> None:
    await bus().publish(topic, message)


def subscribe(topic: str, callback: Callback | None) -> Subscription:
    return bus().subscribe(topic, callback)


async def request_all(
    topic: str,
    message: object,
    timeout: float,  # noqa: ASYNC109 - as the bus has it
) -> Replies:
    return await bus().request_all(topic, message, timeout)


async def respond(topic: str, function: Respond) -> None:
    await bus().respond(topic, function)


async def leave() -> None:
    """Close this worker's bus, where anybody wanted it."""
    if _bus is not None:
        await _bus.close()
