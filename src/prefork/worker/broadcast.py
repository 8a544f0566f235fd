"""How a worker comes to the bus: by a line that its primary lays, or by itself to a broker."""

import asyncio

from prefork import log
from prefork.bus import station
from prefork.bus.engines import choice
from prefork.bus.engines.local import Take
from prefork.bus.station import Surroundings
from prefork.wire.estate import Estate
from prefork.wire.messages import HUB, Want
from prefork.worker.link import Link
from prefork.worker.tracebacks import headline, own_traceback


def join(estate: Estate, id: int, link: Link) -> None:
    """Let this worker have its bus, once somebody asks for it."""

    def want(take: Take) -> None:
        link.lines[HUB] = take
        link.say(Want(HUB))

    bus = estate.settings.bus
    name = choice.named(bus, estate.member(id))
    station.settle(Surroundings(choice.maker(bus, want), name, _report))


async def leave(by: float) -> None:
    """Take leave of it, at most until the loop's time *by*."""
    try:
        async with asyncio.timeout_at(by):
            await station.leave()
    except TimeoutError:
        log.warning("bus_left_abruptly", reason="the broker did not answer by the deadline")


def _report(topic: str, error: BaseException) -> None:
    log.error(
        "bus_handler_failed", topic=topic, reason=headline(error), detail=own_traceback(error)
    )
