"""Connections move from a worker that drains to another one, and their clients notice nothing."""

# ruff: noqa: ARG001 - an application takes what the protocol gives

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from tests.worker.conftest import Run
from tests.worker.rig import GET, LIMITS, Message, Rig, echo, hello, rig

from prefork.wire import handover, stream
from prefork.wire.board import Field
from prefork.worker.flow import MOVING
from prefork.worker.handback import GIVE_UP, TURN, HandBack
from prefork.worker.service import COARSE, DRAIN_IDLE, DRAIN_WINDOW

FAMILIES = [socket.AF_INET, socket.AF_UNIX]  # of the addresses, by number
ADDRESSES: dict[int, int] = {family: number for number, family in enumerate(FAMILIES)}
BIG = b"x" * 2_000_000  # more than the sockets' buffers hold
LONGEST = DRAIN_IDLE + DRAIN_WINDOW + COARSE


def post(size: int, path: str = "/") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (path.encode(), size)


class Move:
    """A worker that is to go, one that stays, and what stands for the primary between them."""

    def __init__(self, old: Rig, new: Rig) -> None:
        self.old, self.new = old, new
        self.primary, self._lane = handover.pair()

    def drain(self) -> None:
        self.hand_back = HandBack(self._lane, ADDRESSES, self.old.loop)
        self.old.server.start_drain(self.hand_back)

    def fill(self) -> int:
        """Let the primary take nothing more; return how many messages that took."""
        count = 0
        while handover.send(self._lane, 0, [self._lane.fileno()], is_moved=True):
            count += 1
        return count

    def take(self, count: int = 1) -> None:
        """Read some messages, and throw away what they bring."""
        for _ in range(count):
            batch = handover.receive(self.primary)
            assert batch is not None
            for descriptor in batch.descriptors:
                socket.socket(fileno=descriptor).close()

    async def deliver(self, count: int = 1) -> None:
        """Give so many connections, as they come, to the worker that stays."""
        while count > 0:
            batch: list[handover.Batch] = []
            await self.old.turn(partial(self._received, batch))
            (received,) = batch
            assert received.is_moved
            self.new.server.taken(received.sent, is_new=False)
            for descriptor in received.descriptors:
                sock = stream.adopt(descriptor, FAMILIES[received.address])
                await self.new.loop.connect_accepted_socket(self.new.server.resumed, sock)
            count -= received.sent

    def is_empty(self) -> bool:
        return handover.receive(self.primary) is None

    def _received(self, batch: list[handover.Batch]) -> bool:
        if (received := handover.receive(self.primary)) is not None:
            batch.append(received)
        return bool(batch)

    def close(self) -> None:
        for sock in (self.primary, self._lane):
            sock.close()


@asynccontextmanager
async def move_of(app: Any, kind: Any = "asgi", **limits: Any) -> AsyncIterator[Move]:
    async with rig(app, kind, **limits) as old, rig(hello, **limits) as new:
        made = Move(old, new)
        raised: list[
            Exception
        ] = []  # by what the loop calls; it also tells of tasks of rigs before

        def note(_: Any, context: dict[str, Any]) -> None:
            if "exception" in context:
                raised.append(context["exception"])

        old.loop.set_exception_handler(note)
        try:
            yield made
            assert raised == []
        finally:
            old.server.end_hand_back()
            made.close()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_idle_connection_moves_and_its_next_request_is_answered_elsewhere(
    run: Run, family: int
) -> None:
    async def scenario() -> None:
        async with move_of(hello) as move:
            client = await move.old.connect(family)
            assert not (await client.get()).closes
            move.drain()
            await move.deliver()
            assert move.old.server.drained.done()
            assert move.old.board(Field.CONNECTIONS) == 0
            assert move.old.board(Field.HANDED_BACK) == 1
            assert move.new.board(Field.CONNECTIONS) == 1
            assert move.new.board(Field.ACCEPTED) == 0, "it was counted where it was accepted"
            assert await client.is_open()
            (connection,) = move.new.members
            name = client.sock.getsockname() or None
            assert connection.client == name  # type: ignore[attr-defined]
            answer = await client.get()
            assert (answer.status, answer.closes) == (200, False)
            move.new.server.tick(move.new.now)
            assert move.new.board(Field.REQUESTS) == 1

    run(scenario())


def test_a_connection_that_has_not_spoken_moves_at_once(run: Run) -> None:
    async def scenario() -> None:
        async with move_of(hello) as move:
            client = await move.old.connect()
            move.drain()
            await move.deliver()
            assert (await client.get()).status == 200

    run(scenario())


def test_many_move_together_in_messages_that_fit(run: Run) -> None:
    async def scenario() -> None:
        async with move_of(hello) as move:
            clients = [await move.old.connect(FAMILIES[n // 50]) for n in range(100)]
            move.drain()
            await move.deliver(100)
            assert move.old.server.drained.done()
            for client in clients:
                assert (await client.get()).status == 200

    run(scenario())


def test_a_busy_connection_is_answered_without_a_farewell_and_moves_then(run: Run) -> None:
    go = asyncio.Event()

    async def handler(request: Any) -> str:
        await go.wait()
        return "late"

    async def scenario() -> None:
        async with move_of(handler, "handler") as move:
            client = await move.old.connect()
            await client.send(GET)
            await move.old.turn(lambda: move.old.server.in_flight == 1)
            move.drain()
            await settle()
            assert move.is_empty()
            go.set()
            answer = await client.answer()
            assert (answer.body, answer.closes) == (b"late", False)
            await move.deliver()
            assert (await client.get()).body == b"hello"

    run(scenario())


@pytest.mark.parametrize("before", [0, 1])
def test_half_a_head_is_waited_for_answered_and_then_it_moves(run: Run, before: int) -> None:
    async def scenario() -> None:
        async with move_of(hello) as move:
            client = await move.old.connect()
            for _ in range(before):
                await client.get()
            await client.send(GET[:9])
            await move.old.turn(lambda: bool(move.old.protocols[0].connection.in_head))
            move.drain()
            await settle()
            assert move.is_empty()
            assert not (await client.get(GET[9:])).closes
            await move.deliver()
            assert not (await client.get()).closes

    run(scenario())


def test_a_request_that_arrives_in_parts_meanwhile_goes_along(run: Run) -> None:
    body = b"0123456789"
    request = post(len(body)) + body

    async def scenario() -> None:
        for cut in range(1, len(request)):
            async with rig(hello) as old, rig(echo) as new:
                move = Move(old, new)
                client = await old.connect()
                await client.get()
                move.drain()
                await client.send(request[:cut])  # it isn't read from any more
                await move.deliver()
                answer = await client.get(request[cut:])
                assert (answer.status, answer.body) == (200, body)
                move.close()

    run(scenario())


def test_a_body_that_is_under_way_is_read_to_its_end_first(run: Run) -> None:
    async def scenario() -> None:
        async with move_of(echo) as move:
            client = await move.old.connect()
            await client.send(post(10) + b"01234")
            await client.until(b"01234")
            move.drain()
            await settle()
            assert move.is_empty()
            await client.send(b"56789")
            await client.until(b"0\r\n\r\n")
            await move.deliver()
            assert (await client.get()).body == b"hello"

    run(scenario())


def test_pipelined_requests_are_answered_where_they_are_or_go_along_none_twice(run: Run) -> None:
    requests = GET * 3

    async def scenario() -> None:
        for cut in range(1, len(requests), 7):
            async with move_of(hello) as move:
                client = await move.old.connect()
                await client.get()
                await client.send(requests[:cut])
                move.drain()
                await client.send(requests[cut:])
                moving = asyncio.create_task(move.deliver())
                for _ in range(3):
                    answer = await client.answer()
                    assert (answer.body, answer.closes) == (b"hello", False)
                await moving
                assert not (await client.get()).closes
                assert await client.is_open()

    run(scenario())


def test_an_answer_that_is_half_read_is_finished_and_the_connection_moves_then(run: Run) -> None:
    async def handler(request: Any) -> bytes:
        return BIG

    async def scenario() -> None:
        async with move_of(handler, "handler", send_timeout=60) as move:
            client = await move.old.connect(SO_SNDBUF=4096)  # so that it goes in small steps
            await client.send(GET)
            await client.until(b"\r\n\r\n")
            await client.exactly(10)
            move.drain()
            await settle()
            assert move.is_empty()
            assert await client.exactly(len(BIG) - 10) == BIG[10:]
            await move.deliver()
            assert (await client.get()).body == b"hello"

    run(scenario())


def test_a_client_that_never_takes_its_answer_is_left_at_the_send_timeout(run: Run) -> None:
    async def handler(request: Any) -> bytes:
        return BIG

    async def scenario() -> None:
        async with move_of(handler, "handler", send_timeout=10) as move:
            client = await move.old.connect()
            await client.send(GET)
            await client.until(b"\r\n\r\n")
            move.drain()
            await settle()
            for _ in range(4):
                move.old.tick(11)
                await settle()
            assert move.old.server.drained.done()
            assert len(await client.rest()) < len(BIG)
            assert move.is_empty()

    run(scenario())


@pytest.mark.parametrize(
    "request_",
    [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
)
def test_a_connection_that_ends_with_its_request_does_not_move(run: Run, request_: bytes) -> None:
    go = asyncio.Event()

    async def handler(request: Any) -> str:
        await go.wait()
        return "last"

    async def scenario() -> None:
        async with move_of(handler, "handler") as move:
            client = await move.old.connect()
            await client.send(request_)
            await move.old.turn(lambda: move.old.server.in_flight == 1)
            move.drain()
            go.set()
            assert (await client.rest()).endswith(b"last")
            client.close()
            await move.old.server.drained
            assert move.is_empty()

    run(scenario())


def test_a_client_that_has_shut_its_side_is_answered_and_does_not_move(run: Run) -> None:
    go = asyncio.Event()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await go.wait()
        await hello(scope, receive, send)

    async def scenario() -> None:
        async with move_of(app) as move:
            client = await move.old.connect()
            await client.send(GET)
            client.shut()
            await move.old.turn(lambda: move.old.protocols[0].at_eof)
            move.drain()
            go.set()
            assert (await client.answer()).status == 200
            assert await client.rest() == b""
            await move.old.server.drained
            assert move.is_empty()

    run(scenario())


def test_the_rest_of_a_body_that_nobody_read_comes_first(run: Run) -> None:
    async def scenario() -> None:
        async with move_of(hello) as move:
            client = await move.old.connect()
            assert (await client.get(post(6) + b"abc")).status == 200
            move.drain()
            await settle()
            assert move.is_empty()
            await client.send(b"def")
            await move.deliver()
            assert (await client.get()).body == b"hello"

    run(scenario())


def test_an_application_that_goes_on_after_its_answer_is_waited_for_without_its_client(
    run: Run,
) -> None:
    go = asyncio.Event()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        await go.wait()

    async def scenario() -> None:
        async with move_of(app) as move:
            client = await move.old.connect()
            await client.get()
            move.drain()
            await move.deliver()
            assert (await client.get()).body == b"hello"
            assert not move.old.server.drained.done()
            go.set()
            await move.old.server.drained

    run(scenario())


def test_a_connection_that_is_attached_while_draining_moves_too(run: Run) -> None:
    async def scenario() -> None:
        async with move_of(hello) as move:
            keeps = await move.old.connect()
            await keeps.send(GET[:5])
            await move.old.turn(lambda: bool(move.old.protocols[0].connection.in_head))
            move.drain()
            late = await move.old.connect()
            await move.deliver()
            assert (await late.get()).body == b"hello"
            assert (await keeps.get(GET[5:])).status == 200
            await move.deliver()

    run(scenario())


def test_what_moved_is_idle_and_not_awaited_as_a_first_request(run: Run) -> None:
    async def scenario() -> None:
        async with move_of(hello) as move:
            client = await move.old.connect()
            move.drain()
            await move.deliver()
            move.new.tick(LIMITS.header_timeout + COARSE)
            assert await client.is_open()
            move.new.tick(LIMITS.keepalive_timeout)
            assert await client.rest() == b""

    run(scenario())


def test_with_a_full_lane_it_waits_and_moves_when_there_is_room(run: Run) -> None:
    async def scenario() -> None:
        async with move_of(hello) as move:
            client = await move.old.connect()
            filled = move.fill()
            move.drain()
            await client.send(GET)
            await settle()
            assert not move.old.server.drained.done()
            move.take(filled)
            await move.deliver()
            assert (await client.answer()).body == b"hello"

    run(scenario())


def test_where_the_primary_takes_nothing_it_is_drained_as_without(run: Run) -> None:
    async def scenario() -> None:
        async with move_of(hello) as move:
            idle, asking = await move.old.connect(), await move.old.connect()
            move.fill()
            began = move.old.loop.time()
            move.drain()
            answer = await asking.get()  # it is not read before
            assert (answer.status, answer.closes) == (200, True)
            assert move.old.loop.time() - began >= GIVE_UP
            asking.close()
            move.old.tick(LONGEST + GIVE_UP)
            assert await idle.rest() == b""
            idle.close()
            await move.old.server.drained
            assert move.old.board(Field.HANDED_BACK) == 0

    run(scenario())


def test_a_stop_ends_it_and_whoever_waits_is_drained_as_without(run: Run) -> None:
    go = asyncio.Event()

    async def handler(request: Any) -> bytes:
        await go.wait()
        return BIG if request.path == "/big" else b"small"

    async def scenario() -> None:
        async with move_of(handler, "handler") as move:
            waiting, unread, busy = [await move.old.connect() for _ in range(3)]
            await busy.send(GET)
            await unread.send(GET.replace(b"/", b"/big", 1))
            await move.old.turn(lambda: move.old.server.in_flight == 2)
            move.fill()
            move.drain()
            await settle()
            move.old.server.end_hand_back()
            go.set()
            assert (await busy.answer()).closes
            assert (await waiting.get()).closes
            assert (await unread.answer()).body == BIG

    run(scenario())


def test_what_was_closed_while_it_waited_is_not_handed_back(run: Run) -> None:
    async def scenario() -> None:
        async with move_of(hello) as move:
            client = await move.old.connect()
            filled = move.fill()
            move.drain()
            await settle()
            move.old.server.cut()
            assert await client.rest() == b""
            move.take(filled)
            await move.old.turn(move.old.server.drained.done)
            await move.old.turn(lambda: move.hand_back._timer is None)  # it was tried again
            assert move.is_empty()
            assert move.old.board(Field.HANDED_BACK) == 0

    run(scenario())


def test_who_would_only_wait_for_the_lane_is_served_meanwhile(run: Run) -> None:
    async def scenario() -> None:
        async with move_of(hello) as move:
            clients = [await move.old.connect() for _ in range(4 * TURN)]
            filled = move.fill()
            move.drain()
            await settle()
            moving = [protocol._phase is MOVING for protocol in move.old.protocols]
            assert TURN <= sum(moving) <= 2 * TURN
            staying = clients[moving.index(False)]
            answer = await staying.get()
            assert (answer.status, answer.closes) == (200, False)
            move.take(filled)
            await move.deliver(len(clients))
            for client in clients:
                assert (await client.get()).status == 200

    run(scenario())


def test_a_stop_drains_those_whose_turn_to_leave_had_not_come(run: Run) -> None:
    async def scenario() -> None:
        async with move_of(hello) as move:
            clients = [await move.old.connect() for _ in range(4 * TURN)]
            for client in clients:
                await client.get()
            move.fill()
            move.drain()
            await settle()
            move.old.server.end_hand_back()
            move.old.tick(LONGEST + 1)  # its clock was read before the clients asked
            for client in clients:
                assert await client.rest() == b""
                client.close()
            await move.old.server.drained

    run(scenario())


def test_one_whose_last_write_ends_just_before_its_turn_is_handed_back_once(run: Run) -> None:
    async def scenario() -> None:
        async with move_of(hello) as move:
            client = await move.old.connect()
            await client.get()
            move.drain()
            move.old.protocols[0].resume_writing()  # as a transport does that has written all
            await move.deliver()
            await settle()
            assert move.is_empty(), "it was sent twice"
            assert move.old.board(Field.HANDED_BACK) == 1
            assert (await client.get()).body == b"hello"

    run(scenario())
