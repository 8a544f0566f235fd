"""What becomes of requests here: how many at a time, and answers that can't be given."""

import asyncio

import pytest
from tests.bus.test_client import Recorder

from prefork import log
from prefork.bus import answering, inquiry
from prefork.bus.answering import Answering
from prefork.bus.client import Bus
from prefork.bus.engine import ANSWERS, REQUESTS, Identity
from prefork.bus.envelope import Frame, Kind
from prefork.wire import post

QUESTION = inquiry.question(1, post.encode("?"))


def request(number: int) -> Frame:
    return Frame(Kind.ASK, 7, number, REQUESTS + b"a", QUESTION)


def test_only_so_many_requests_are_answered_at_a_time(capfd: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        never = asyncio.get_running_loop().create_future()
        asked: list[str] = []

        async def respond(question: str) -> None:
            asked.append(question)
            await never

        bus = Bus("shop/1", Recorder, lambda *_: None)
        await bus.respond("a", respond)
        for number in range(answering.MOST_ANSWERING + 1):
            bus.deliver(request(number + 1))
        await asyncio.sleep(0)
        assert len(asked) == answering.MOST_ANSWERING
        await bus.close()

    log.configure("info", "text")
    asyncio.run(scenario())
    assert "bus_requests_dropped" in capfd.readouterr().err


async def _no_value(make: object) -> list[BaseException]:
    """Have one request answered by a function; it must be told that there is no reply."""
    made: list[Recorder] = []
    reports: list[BaseException] = []
    identity = Identity("shop/1")
    it = Answering(identity, lambda _, error: reports.append(error))
    made.append(Recorder(identity, Bus("shop/1", Recorder, lambda *_: None)))
    it.respond(REQUESTS + b"a", make)  # type: ignore[arg-type]
    it.heed(request(1), made[0])
    await asyncio.wait(it._tasks)
    silence = inquiry.answer(1, "shop/1", None)
    assert made[0].said == [(f"publish {silence!r}", ANSWERS + b"%016x" % 7)]
    return reports


def test_an_answer_that_is_too_large_for_the_engine_is_reported_and_whoever_asked_is_told() -> None:
    [error] = asyncio.run(_no_value(lambda _: "x" * 2000))
    assert str(error) == "at most 1000 bytes"


def test_what_the_code_awaits_may_be_cancelled_and_whoever_asked_is_told() -> None:
    async def respond(_: str) -> None:
        cancelled = asyncio.get_running_loop().create_future()
        cancelled.cancel()
        await cancelled

    [error] = asyncio.run(_no_value(respond))
    assert isinstance(error, asyncio.CancelledError)
