# ruff: noqa: ARG001 - an application takes what the protocol gives
"""Connections that begin with a PROXY header, over real sockets."""

import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.worker.conftest import Run
from tests.worker.rig import GET, Client, Message, Rig, rig
from tests.worker.test_intake import Desk

from prefork.http.forwarded import Trust
from prefork.settings.peers import Peers
from prefork.wire.board import Field

FIRST = b"PROXY TCP4 192.0.2.7 203.0.113.1 51234 443\r\n"
UNKNOWN = b"PROXY UNKNOWN\r\n"
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
TCP, UNIX = 0, 1  # numbers of the addresses
FORWARDED = GET[:-2] + b"X-Forwarded-For: 198.51.100.9\r\n\r\n"


async def tell(scope: Message, receive: Any, send: Any) -> None:
    body = json.dumps([scope["client"], scope["server"]]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def desk_of(*allowed: str, trusted: tuple[str, ...] = ("none",)) -> AsyncIterator[Desk]:
    async with rig(tell) as made:
        made.server.trust(Trust(Peers(trusted), "x-forwarded"))
        desk = Desk(made)
        desk.door.await_headers(made.server.preambles(Peers(allowed)))
        try:
            yield desk
        finally:
            desk.intake.stop()
            desk.close()


async def told(client: Client, request: bytes = GET) -> Any:
    return json.loads((await client.get(request)).body)


def is_pending(made: Rig) -> Callable[[], bool]:
    """Whether a connection is counted, and waits for its header."""
    return lambda: made.line[Field.CONNECTIONS] == 1 and not made.server.in_flight


@pytest.mark.parametrize("address", [TCP, UNIX])
def test_the_client_is_whom_the_header_names(run: Run, address: int) -> None:
    async def scenario() -> None:
        async with desk_of("127.0.0.1", "unix") as desk:
            client = desk.hand_over(address)
            assert await told(client, FIRST + GET) == [["192.0.2.7", 51234], ["203.0.113.1", 443]]
            assert await told(client) == [["192.0.2.7", 51234], ["203.0.113.1", 443]]
            client.close()

    run(scenario())


def test_a_header_may_come_byte_by_byte_and_nothing_of_it_stays_unread(run: Run) -> None:
    async def scenario() -> None:
        async with desk_of("127.0.0.1") as desk:
            client = desk.hand_over(TCP)
            for byte in FIRST:
                await client.send(bytes([byte]))
                await desk.made.turn(lambda: is_drained(desk.handed_over[0]))
            assert (await told(client))[0] == ["192.0.2.7", 51234]
            client.close()

    run(scenario())


def is_drained(near: socket.socket) -> bool:
    """Whether nothing waits in the socket, which the worker has another descriptor of."""
    near.setblocking(False)
    try:
        near.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    return False


def test_a_proxy_that_asks_for_itself_is_the_client(run: Run) -> None:
    async def scenario() -> None:
        async with desk_of("127.0.0.1", trusted=("127.0.0.1",)) as desk:
            client = desk.hand_over(TCP)
            own = list(client.sock.getsockname())
            assert (await told(client, LOCAL + GET))[0] == own
            assert (await told(client, FORWARDED))[0] == ["198.51.100.9", 0]
            client.close()

    run(scenario())


@pytest.mark.parametrize(
    ("header", "believed"), [(FIRST, False), (FIRST.replace(b"192.0.2.7", b"10.0.0.7"), True)]
)
def test_the_forwarded_headers_are_those_of_the_client_that_the_header_names(
    run: Run, header: bytes, believed: bool
) -> None:
    async def scenario() -> None:
        async with desk_of("127.0.0.1", trusted=("127.0.0.1", "unix", "10.0.0.7")) as desk:
            client = desk.hand_over(TCP)
            host = (await told(client, header + FORWARDED))[0][0]
            assert host == ("198.51.100.9" if believed else "192.0.2.7")
            client.close()

    run(scenario())


@pytest.mark.parametrize("address", [TCP, UNIX])
def test_a_client_that_the_proxy_cannot_name_is_not_the_proxy(run: Run, address: int) -> None:
    async def scenario() -> None:
        async with desk_of("127.0.0.1", "unix", trusted=("127.0.0.1", "unix")) as desk:
            client = desk.hand_over(address)
            assert (await told(client, UNKNOWN + FORWARDED))[0] is None
            client.close()

    run(scenario())


@pytest.mark.parametrize(
    ("allowed", "connection", "reason"),
    [
        ("10.0.0.1", (TCP, FIRST + GET), "its peer is not in --proxy-protocol-allow-ips"),
        ("127.0.0.1", (UNIX, FIRST + GET), "its peer is not in --proxy-protocol-allow-ips"),
        ("127.0.0.1", (TCP, GET), "it does not begin with a PROXY header"),
        ("unix", (UNIX, b"PROXY TCP4 x\r\n" + GET), "its PROXY header is malformed"),
    ],
)
def test_who_is_not_allowed_or_begins_otherwise_is_closed_and_told_of_once(
    run: Run,
    capfd: pytest.CaptureFixture[str],
    allowed: str,
    connection: tuple[int, bytes],
    reason: str,
) -> None:
    async def scenario() -> None:
        async with desk_of(allowed) as desk:
            for _ in range(3):
                client = desk.hand_over(connection[0])
                await client.send(connection[1])
                await desk.made.turn(lambda: desk.made.server.connections == 0)
                desk.handed_over.pop().close()
                with pytest.raises(ConnectionResetError):
                    await client.rest()
                client.close()
            assert desk.made.server.in_flight == 0

    run(scenario())
    said = [line for line in capfd.readouterr().err.splitlines() if "connection_refused" in line]
    assert len(said) == 1
    assert reason in said[0]


@pytest.mark.parametrize("sent", [b"", FIRST[:10], LOCAL[:14]])
def test_a_header_that_does_not_come_in_time_ends_the_connection(run: Run, sent: bytes) -> None:
    async def scenario() -> None:
        async with desk_of("127.0.0.1") as desk:
            client = desk.hand_over(TCP)
            await client.send(sent)
            await desk.made.turn(is_pending(desk.made))
            await desk.made.turn(lambda: is_drained(desk.handed_over[0]))
            desk.made.tick(14)
            assert desk.made.server.connections == 1
            desk.made.tick(2)
            assert desk.made.server.connections == 0
            desk.handed_over.pop().close()
            assert await client.rest() == b""
            client.close()

    run(scenario())


def test_what_the_header_took_of_the_time_is_not_there_for_the_head(run: Run) -> None:
    async def scenario() -> None:
        async with desk_of("127.0.0.1") as desk:
            client = desk.hand_over(TCP)
            await desk.made.turn(is_pending(desk.made))
            desk.made.tick(14)
            await client.send(FIRST + GET[:10])
            await desk.made.turn(lambda: is_drained(desk.handed_over[0]))
            await client.is_open()
            desk.made.tick(2)
            assert (await client.answer()).status == 408
            client.close()

    run(scenario())


@pytest.mark.parametrize("sent", [b"", FIRST[:10]])
def test_a_client_that_leaves_before_its_header_is_counted_off(run: Run, sent: bytes) -> None:
    async def scenario() -> None:
        async with desk_of("127.0.0.1") as desk:
            client = desk.hand_over(TCP)
            await client.send(sent)
            await desk.made.turn(is_pending(desk.made))
            client.close()
            await desk.made.turn(lambda: desk.made.server.connections == 0)
            assert desk.made.line[Field.CONNECTIONS] == 0

    run(scenario())


def test_a_drain_waits_for_a_header_and_answers_the_request_behind_it(run: Run) -> None:
    async def scenario() -> None:
        async with desk_of("127.0.0.1") as desk:
            client = desk.hand_over(TCP)
            await client.send(FIRST[:10])
            await desk.made.turn(is_pending(desk.made))
            desk.made.server.start_drain()
            assert not desk.made.server.drained.done()
            answer = await client.get(FIRST[10:] + GET)
            assert answer.closes
            client.close()
            await desk.made.turn(desk.made.server.drained.done)

    run(scenario())


def test_the_deadline_of_a_stop_ends_what_waits_and_that_costs_no_request(run: Run) -> None:
    async def scenario() -> None:
        async with desk_of("127.0.0.1") as desk:
            client = desk.hand_over(TCP)
            await client.send(FIRST[:10])
            await desk.made.turn(is_pending(desk.made))
            desk.made.server.start_drain()
            assert desk.made.server.cut() == 0
            assert desk.made.server.drained.done()
            client.close()

    run(scenario())
