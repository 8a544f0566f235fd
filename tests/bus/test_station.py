"""Where this process' bus is to be had, and what is said where it isn't."""

import asyncio
import os
from dataclasses import replace

import pytest
from tests.bus.test_client import Recorder

from prefork.bus import station
from prefork.bus.station import Surroundings
from prefork.errors import BusError


@pytest.fixture(autouse=True)
def no_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station, "_bus", None)
    monkeypatch.setattr(station, "_surroundings", None)


def surroundings() -> Surroundings:
    return Surroundings(Recorder, "shop/1", lambda *_: None)


def test_outside_of_a_worker_there_is_no_bus() -> None:
    with pytest.raises(BusError, match="only in a worker"):
        station.bus()


def test_in_a_worker_there_is_one_on_its_loop_and_a_thread_is_told_how_to_get_there() -> None:
    async def scenario() -> None:
        station.settle(surroundings())
        with pytest.raises(BusError, match=r"cluster\.worker\.call"):
            await asyncio.to_thread(station.subscribe, "a", print)
        publishing = station.publish("a", 1)  # may be made anywhere, and awaited on the loop
        await publishing
        assert station.bus() is station.bus()

    asyncio.run(scenario())


def test_a_process_that_a_worker_has_forked_has_none() -> None:
    async def scenario() -> None:
        station.settle(replace(surroundings(), pid=os.getppid()))
        with pytest.raises(BusError, match="only in a worker"):
            await station.publish("a", 1)

    asyncio.run(scenario())
