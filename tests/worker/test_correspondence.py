"""Handlers of what the primary says: their order, and what becomes of those that fail or last."""

import asyncio
import os
from typing import Any

import pytest
from tests.worker.conftest import Run
from tests.worker.posted import Heard, Primary, primary_of, within

from prefork.errors import RequestError
from prefork.wire import descriptors
from prefork.wire.letters import Kind
from prefork.wire.post import LONGEST_REASON, decode, encode
from prefork.worker import tray


async def answers(primary: Primary, count: int) -> list[tuple[int, int, Any]]:
    letters = await primary.letters(count)
    return [(each.kind, each.number, decode(each.payload)) for each in letters]


def test_plain_handlers_are_called_in_order_and_async_ones_start_in_order(run: Run) -> None:
    async def scenario() -> None:
        plain, started = Heard(), Heard()

        async def slow(value: int) -> None:
            started(value)
            await asyncio.sleep(0.001 * (9 - value % 10))

        async with primary_of() as primary:
            primary.member.on_message(plain)
            primary.member.on_message(slow)
            primary.lay()
            primary.tell(*range(100))
            assert await plain.count(100) == list(range(100))
            assert await started.count(100) == list(range(100))

    run(scenario())


def test_messages_that_came_before_a_handler_wait_for_it(run: Run) -> None:
    async def scenario() -> None:
        late, asked = Heard(), Heard()
        async with primary_of() as primary:
            primary.lay()
            primary.tell(1)
            primary.ask(5, "?")
            primary.tell(2)
            primary.member.on_request(asked)
            await asked.count(1)
            primary.member.on_message(late)
            assert await late.count(2) == [1, 2]

    run(scenario())


def test_too_many_that_nobody_handles_are_dropped_and_told_once(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        late, most = Heard(), tray.MOST_WAITING
        async with primary_of() as primary:
            primary.lay()
            before = 0
            for number in range(most + 10):
                given = [0] if number >= most else []
                if number == most // 2:  # the line is there
                    before = descriptors.count_open()
                primary.say(Kind.MESSAGE, 0, encode(number), given)
                await asyncio.sleep(0)
            for number in range(most + 1):
                primary.ask(number, "?")
                await asyncio.sleep(0)
            [(kind, number, reason)] = await answers(primary, 1)
            assert (kind, number) == (Kind.FAILURE, most)
            assert "no handler" in reason
            primary.member.on_message(late)
            assert await late.count(most) == list(range(most))
            primary.tell("after")
            assert (await late.count(most + 1))[-1] == "after"
            assert descriptors.count_open() == before

    run(scenario())
    assert capfd.readouterr().err.count("messages_dropped") == 2  # of messages, and of requests


def test_so_are_16_mib(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            primary.lay()
            for _ in range(2):
                primary.tell(bytes(tray.MOST_BYTES - 10))
                await primary.flushed()
            primary.tell("dropped")
            primary.ask(1, "?")  # read after it
            heard = Heard()
            primary.member.on_request(heard)
            await heard.count(1)

    run(scenario())
    assert "messages_dropped" in capfd.readouterr().err


def test_handlers_that_lag_behind_stop_the_reading_and_nothing_is_lost(run: Run) -> None:
    async def scenario() -> None:
        heard, gate = Heard(), asyncio.Event()

        async def slow(value: tuple[int, bytes]) -> None:
            await gate.wait()
            heard(value[0])

        async with primary_of() as primary:
            primary.member.on_message(slow)
            primary.lay()
            sent = 0
            for _ in range(200):  # turns, of which each reads 30 of them
                has_room = True
                while has_room:
                    has_room = primary.say(Kind.MESSAGE, 0, encode((sent, bytes(2000))))
                    sent += 1
                await asyncio.sleep(0)
            assert not primary.post.has_room, "the sender is not asked to wait"
            assert sent < tray.MOST_RUNNING + 2 * tray.MOST_WAITING
            gate.set()
            await primary.flushed()
            assert sorted(await heard.count(sent)) == list(range(sent))

    run(scenario())


def test_an_answer_is_heard_while_as_many_handlers_as_may_wait_for_it(run: Run) -> None:
    async def scenario() -> None:
        got = Heard()

        async def ask_back(value: int) -> None:
            got(await primary.member.request(value, 5))

        async with primary_of() as primary:
            primary.member.on_message(ask_back)
            primary.lay()
            count = tray.MOST_RUNNING + tray.MOST_WAITING // 2
            primary.tell(*range(count))
            for _ in range(count):
                [letter] = await primary.letters(1)
                primary.say(Kind.REPLY, letter.number, letter.payload)
            assert sorted(await got.count(count)) == list(range(count))

    run(scenario())


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_what_a_handler_raises_is_logged_and_later_messages_still_come(
    run: Run, error: BaseException, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        heard = Heard()

        def plain(value: object) -> None:
            heard(value)
            raise error

        async def slow(value: object) -> None:
            await asyncio.sleep(0)
            plain(value)

        async with primary_of() as primary:
            primary.member.on_message(plain)
            primary.member.on_message(slow)
            primary.lay()
            primary.tell("a", "b")
            await heard.count(4)
            await asyncio.sleep(0)

    run(scenario())
    told = capfd.readouterr().err
    assert told.count("message_handler_failed") == 4
    assert type(error).__name__ in told
    assert "raise error" in told, "its traceback"


def test_what_is_no_function_is_refused_at_once(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            for register in (primary.member.on_message, primary.member.on_request):
                with pytest.raises(TypeError, match="a handler is a function, not 'x'"):
                    register("x")  # type: ignore[type-var]
            primary.member.on_request(print)
            with pytest.raises(ValueError, match="one answer only"):
                primary.member.on_request(print)

    run(scenario())


# -- requests ----------------------------------------------------------------


def test_a_handler_answers_requests(run: Run) -> None:
    async def scenario() -> None:
        async def double(value: int, fds: list[int]) -> int:
            await asyncio.sleep(0)
            descriptors.close_all(fds)
            return 2 * value

        async with primary_of() as primary:
            primary.member.on_request(double)
            primary.lay()
            primary.say(Kind.REQUEST, 9, encode(4), [0])
            primary.ask(2**32 - 1, 5)
            assert await answers(primary, 2) == [
                (Kind.REPLY, 9, 8),
                (Kind.REPLY, 2**32 - 1, 10),
            ]

    run(scenario())


def test_a_failed_handler_or_an_answer_that_can_not_be_sent_fails_the_request(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        def answer(value: str) -> object:
            if value == "raise":
                raise ValueError("\ud800" + "x" * 10_000)
            return object()

        async with primary_of() as primary:
            primary.member.on_request(answer)
            primary.lay()
            primary.ask(1, "raise")
            primary.ask(2, "return")
            (kind, number, reason), other = await answers(primary, 2)
            assert (kind, number) == (Kind.FAILURE, 1)
            assert reason.startswith("ValueError: \\ud800xxx")
            assert len(reason) < 2 * LONGEST_REASON
            assert other[:2] == (Kind.FAILURE, 2)
            assert "objects of type object" in other[2]

    run(scenario())
    assert capfd.readouterr().err.count("request_handler_failed") == 2


# -- the end -----------------------------------------------------------------


def test_at_the_end_handlers_end_and_what_was_sent_arrives(run: Run) -> None:
    async def scenario() -> None:
        started = Heard()

        async def slow(value: object) -> None:
            started(value)
            await asyncio.sleep(0.05)
            primary.member.send("from the handler")

        async with primary_of() as primary:
            primary.member.on_message(slow)
            primary.lay()
            primary.tell("x")
            await started.count(1)
            for _ in range(20):
                primary.member.send(bytes(100_000))
            ending = asyncio.ensure_future(
                primary.member.finish(asyncio.get_running_loop().time() + 5)
            )
            values = await primary.values(21)
            assert values[-1] == "from the handler"
            await primary.until_closed()
            await within(ending)
            assert not primary.member.send("too late")

    run(scenario())


def test_what_was_sent_last_arrives_though_its_line_was_not_laid_yet(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            primary.member.send("last words")
            ending = asyncio.ensure_future(
                primary.member.finish(asyncio.get_running_loop().time() + 5)
            )
            await primary.meet()
            assert await primary.values(1) == ["last words"]
            await within(ending)

    run(scenario())


def test_the_end_waits_for_nobody_beyond_its_deadline(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        started, cancelled = Heard(), Heard()

        async def stuck(value: object) -> None:
            started(value)
            try:
                await asyncio.Event().wait()
            finally:
                cancelled(value)

        async with primary_of() as primary:
            primary.member.on_message(stuck)
            primary.lay()
            primary.tell("x")
            await started.count(1)
            while primary.member.send(bytes(100_000)):
                continue
            await within(primary.member.finish(0))
            await cancelled.count(1)

    run(scenario())
    assert "messages_cut" in capfd.readouterr().err


def test_a_member_that_said_nothing_ends_at_once(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            await within(primary.member.finish(asyncio.get_running_loop().time() + 60))
            assert primary.channel.receive() == []

    run(scenario())


@pytest.mark.parametrize(
    "garbage",
    [os.urandom(100), b"\x01\x09\0\0\0\1\0\0\0\0\0"],
    ids=["no letter", "no kind"],
)
def test_garbage_ends_the_line_and_not_the_worker(
    run: Run, garbage: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            primary.lay()
            primary.tell("x")
            assert primary.post._sock is not None
            primary.post._sock.send(garbage)
            primary.say(Kind.MESSAGE, 0, encode("after"), [0])
            await primary.until_closed()
            assert not primary.member.send("y")

    before = descriptors.count_open()
    run(scenario())
    assert descriptors.count_open() == before
    assert "primary_misbehaved" in capfd.readouterr().err


def test_what_can_not_be_read_is_no_reason_to_hear_nothing_more(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            primary.member.on_request(lambda value: value)
            primary.lay()
            primary.say(Kind.REQUEST, 3, b"\xc1")
            [(kind, number, reason)] = await answers(primary, 1)
            assert (kind, number) == (Kind.FAILURE, 3)
            assert "can't be read" in reason
            asked = asyncio.create_task(primary.member.request("?", 5))
            [letter] = await primary.letters(1)
            primary.say(Kind.REPLY, letter.number, b"\xc1")
            with pytest.raises(RequestError, match="can't be read"):
                await asked
            primary.ask(4, "still here")
            assert await answers(primary, 1) == [(Kind.REPLY, 4, "still here")]

    run(scenario())


def test_messages_of_no_value_are_dropped_and_that_is_told_once_a_minute(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        heard = Heard()
        async with primary_of() as primary:
            primary.member.on_message(heard)
            primary.lay()
            for _ in range(2):
                primary.say(Kind.MESSAGE, 0, b"\xc1")
            primary.tell("good")
            assert await heard.count(1) == ["good"]

    run(scenario())
    assert capfd.readouterr().err.count("message_unreadable") == 1
