# ruff: noqa: ARG001 - an application takes what the protocol gives
"""What is TLS's own of a connection: handshakes, goodbyes, and how much is held.

That all else is as without TLS, the modules show that run with the fixture `wire`.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import certificates
from tests.worker.conftest import Run
from tests.worker.rig import (
    GET,
    LIMITS,
    SECRETS,
    Client,
    Message,
    Rig,
    Secrets,
    TlsClient,
    echo,
    hello,
    rig,
)
from tests.worker.test_intake import Desk

from prefork import log
from prefork.settings.peers import Peers
from prefork.settings.schema import Settings
from prefork.worker import credentials

FIRST = b"PROXY TCP4 192.0.2.7 203.0.113.1 51234 443\r\n"
START = {"type": "http.response.start", "status": 200, "headers": []}


@pytest.fixture(autouse=True)
def tls(secrets: Secrets) -> Iterator[None]:
    token = SECRETS.set(secrets)
    yield
    SECRETS.reset(token)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nobody complains, neither the event loop nor we."""
    yield
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
    assert "Traceback" not in capfd.readouterr().err


async def raw(made: Rig, family: int = socket.AF_UNIX) -> TlsClient:
    """A client that has not said hello."""
    client = await made.connect(family, shakes_hands=False)
    assert isinstance(client, TlsClient)
    return client


def hello_of(client: TlsClient) -> bytes:
    with pytest.raises(ssl.SSLWantReadError):
        client.session.do_handshake()
    return client.said()


async def is_gone(made: Rig) -> None:
    await made.turn(lambda: made.server.connections == 0)
    assert made.members == set()


# The handshake


def test_a_client_that_never_says_hello_is_dropped_at_the_header_timeout(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await raw(made)
            made.tick(LIMITS.header_timeout - 1)
            assert await Client.is_open(client)
            made.tick(2)
            assert await client.undeciphered() == b""
            await is_gone(made)

    run(scenario())


@pytest.mark.parametrize("until", ["hello", "handshake"])
def test_the_time_for_the_head_includes_the_handshake(run: Run, until: str) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await raw(made)
            if until == "hello":
                await Client.send(client, hello_of(client)[:50])
                assert await Client.is_open(client)  # it is read
            else:
                await client.shake_hands()
            made.tick(LIMITS.header_timeout + 1)
            if until == "hello":
                assert await client.undeciphered() == b""
            else:
                await client.send(GET[:5])
                with pytest.raises((AssertionError, ConnectionError)):
                    await client.answer()
            await is_gone(made)

    run(scenario())


def test_a_hello_may_come_byte_by_byte(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await raw(made)
            for byte in hello_of(client):
                await Client.send(client, bytes([byte]))
                await asyncio.sleep(0)
            await client.shake_hands()
            assert (await client.get()).body == b"hello"

    run(scenario())


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_client_may_leave_within_the_handshake(run: Run, share: float) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await raw(made)
            said = hello_of(client)
            await Client.send(client, said[: int(len(said) * share)])
            client.close()
            await is_gone(made)

    run(scenario())


@pytest.mark.parametrize("data", [GET, b"\x16\x03\x01\xff\xff" + bytes(300), b"\0" * 20])
def test_what_speaks_no_tls_is_closed_and_told_of_at_debug_only(
    run: Run, capfd: pytest.CaptureFixture[str], data: bytes
) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await raw(made)
            await Client.send(client, data)
            assert b"HTTP" not in await client.undeciphered()
            await is_gone(made)
            assert capfd.readouterr().err == ""
            log.configure("debug", "text")
            client = await raw(made)
            await Client.send(client, data)
            await client.undeciphered()
            assert "debug handshake_failed" in capfd.readouterr().err

    run(scenario())


def test_older_versions_are_refused_with_an_alert(run: Run, secrets: Secrets) -> None:
    old = certificates.client_context()
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1

    async def scenario() -> None:
        async with rig(hello) as made:
            SECRETS.set(Secrets(secrets.server, old))
            client = await raw(made)
            with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                await client.shake_hands()
            await is_gone(made)

    run(scenario())


@pytest.mark.parametrize("offered", [["h2", "http/1.1"], ["h2"], []])
def test_http_1_1_is_agreed_on_where_it_is_offered(
    run: Run, secrets: Secrets, offered: list[str]
) -> None:
    context = certificates.client_context()
    if offered:
        context.set_alpn_protocols(offered)

    async def scenario() -> None:
        async with rig(hello) as made:
            SECRETS.set(Secrets(secrets.server, context))
            client = await made.connect()
            assert isinstance(client, TlsClient)
            agreed = "http/1.1" if "http/1.1" in offered else None
            assert client.session.selected_alpn_protocol() == agreed
            assert (await client.get()).body == b"hello"

    run(scenario())


def test_a_request_may_come_with_the_end_of_the_handshake(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await raw(made)
            await client.shake_hands(last=GET)
            assert (await client.answer()).body == b"hello"

    run(scenario())


# Certificates of clients


@pytest.mark.parametrize("demanded", ["required", "optional"])
@pytest.mark.parametrize("shown", ["nothing", "its own", "a stranger's"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_shows_no_certificate_that_is_signed_by_the_authority_is_turned_away(
    run: Run, tmp_path: Path, demanded: Any, shown: str, version: ssl.TLSVersion
) -> None:
    files = certificates.write(tmp_path)
    server = credentials.context(
        Settings(
            app="a:b",
            certfile=str(files.certfile),
            keyfile=str(files.keyfile),
            ca_certs=str(certificates.write_authority(tmp_path)),
            client_certs=demanded,
        )
    )
    assert server is not None
    stranger = certificates.write_stranger(tmp_path)
    context = certificates.client_context(
        {"nothing": None, "its own": files, "a stranger's": stranger}[shown]
    )
    context.maximum_version = version
    is_served = shown == "its own" or (shown == "nothing" and demanded == "optional")

    async def scenario() -> None:
        async with rig(hello) as made:
            SECRETS.set(Secrets(server, context))
            client = await raw(made)
            if is_served:
                await client.shake_hands()
                assert (await client.get()).body == b"hello"
                return
            with pytest.raises((ssl.SSLError, AssertionError, ConnectionError)):
                await ask(client)
            await is_gone(made)
            assert made.server.in_flight == 0

    run(scenario())


async def ask(client: TlsClient) -> None:
    """Under TLS 1.3 a client has shaken hands before the server has seen its certificate."""
    await client.shake_hands()
    await client.get()


# Goodbyes


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_the_last_answer_is_followed_by_a_goodbye(run: Run, family: int) -> None:
    async def scenario() -> None:
        async with rig(echo) as made:
            client = await made.connect(family)
            assert isinstance(client, TlsClient)
            body = b"x" * 3_000_000
            head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            sending = asyncio.ensure_future(client.send(head % len(body) + body))
            answer = await client.answer()
            await sending
            assert answer.body == body
            assert await client.rest() == b""
            assert client.said_goodbye
            await is_gone(made)

    run(scenario())


def test_after_a_refusal_the_rest_is_read_so_that_nothing_is_reset(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello, body=10) as made:
            client = await made.connect(socket.AF_INET)
            assert isinstance(client, TlsClient)
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n")
            await made.turn(lambda: not made.server.in_flight)
            await client.send(b"x" * 30000)
            assert (await client.answer()).status == 413
            assert await client.rest() == b""
            assert client.said_goodbye
            client.close()
            await is_gone(made)

    run(scenario())


@pytest.mark.parametrize("with_fin", [False, True])
def test_who_says_goodbye_while_it_waits_still_gets_its_answer(run: Run, with_fin: bool) -> None:
    go = asyncio.Event()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await go.wait()
        await hello(scope, receive, send)

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET)
            await made.turn(lambda: made.server.in_flight == 1)
            client.shut()
            if with_fin:
                client.sock.shutdown(socket.SHUT_WR)
            await made.turn(lambda: made.protocols[0].at_eof)
            go.set()
            assert (await client.answer()).body == b"hello"
            assert await client.rest() == b""
            await is_gone(made)

    run(scenario())


def test_a_fin_without_a_goodbye_is_an_end_like_any_other(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            await client.get()
            client.sock.shutdown(socket.SHUT_WR)
            assert await client.rest() == b""
            await is_gone(made)

    run(scenario())


def test_what_is_tampered_with_ends_the_connection(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            assert isinstance(client, TlsClient)
            client.session.write(GET)
            record = bytearray(client.said())
            record[-1] ^= 1
            await Client.send(client, bytes(record))
            await is_gone(made)
            assert made.server.in_flight == 0

    run(scenario())


def test_an_answer_to_a_client_that_broke_meanwhile_goes_nowhere(run: Run) -> None:
    go, done = asyncio.Event(), asyncio.Event()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await go.wait()
        await hello(scope, receive, send)
        done.set()

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET)
            await made.turn(lambda: made.server.in_flight == 1)
            await Client.send(client, b"no record at all, and more than its head")
            await is_gone(made)
            go.set()
            await done.wait()

    run(scenario())


# Drains


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_handshake_that_is_going_on_at_a_stop_is_served(run: Run, share: float) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await raw(made)
            said = hello_of(client)
            middle = int(len(said) * share)
            await Client.send(client, said[:middle])
            made.server.start_drain()
            await Client.send(client, said[middle:])
            await client.shake_hands()
            answer = await client.get()
            assert (answer.body, answer.closes) == (b"hello", True)
            assert await client.rest() == b""
            client.close()
            await made.server.drained

    run(scenario())


def test_a_handshake_that_never_ends_holds_no_drain_beyond_its_deadline(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await raw(made)
            await Client.send(client, hello_of(client)[:20])
            assert await Client.is_open(client)
            made.server.start_drain()
            made.tick(LIMITS.header_timeout + 1)
            await made.server.drained
            other = await rig_cut(made)
            assert other == 0

    run(scenario())


async def rig_cut(made: Rig) -> int:
    await raw(made)
    lost = made.server.cut()
    await is_gone(made)
    return lost


# How much is held


def test_a_client_that_does_not_read_holds_less_than_a_megabyte(run: Run) -> None:
    sent = 0

    async def pour(scope: Message, receive: Any, send: Any) -> None:
        nonlocal sent
        await send(START)
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            sent += 65536

    async def scenario() -> None:
        async with rig(pour) as made:
            client = await made.connect(SO_SNDBUF=65536, SO_RCVBUF=65536)
            await client.send(GET)
            await made.turn(lambda: made.protocols[0].blocked)
            (protocol,) = made.protocols
            assert 0 < protocol.transport.get_write_buffer_size() < 1_000_000
            for _ in range(100):
                await asyncio.sleep(0)
            assert sent < 1_000_000
            client.close()
            await is_gone(made)

    run(scenario())


def test_a_body_that_the_application_does_not_read_stays_with_the_client(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await asyncio.get_running_loop().create_future()

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect(SO_SNDBUF=65536, SO_RCVBUF=65536)
            head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n"
            sending = asyncio.ensure_future(client.send(head + b"x" * 10_000_000))
            (protocol,) = made.protocols
            await made.turn(lambda: protocol._cycle is not None and protocol._held)
            for _ in range(100):
                await asyncio.sleep(0)
            assert protocol._cycle is not None
            assert len(protocol._cycle.buffer) < 1_000_000
            assert not sending.done()
            sending.cancel()

    run(scenario())


# From the intake


@pytest.mark.parametrize("address", [0, 1])
@pytest.mark.parametrize("introduced", [False, True])
def test_what_is_handed_over_is_served_by_tls_also_behind_a_proxy_header(
    run: Run, secrets: Secrets, address: int, introduced: bool
) -> None:
    async def scenario() -> None:
        async with rig(whose) as made:
            desk = Desk(made)
            desk.door.speak_tls(secrets.server)
            if introduced:
                desk.door.await_headers(made.server.preambles(Peers(("127.0.0.1", "unix"))))
            client = TlsClient(desk.hand_over(address).sock, secrets.client)
            if introduced:
                await Client.send(client, FIRST)
            await client.shake_hands()
            body = (await client.get()).body
            assert body.startswith(b"https")
            assert (b"192.0.2.7" in body) == introduced
            client.close()
            desk.intake.stop()
            desk.close()

    run(scenario())


async def whose(scope: Message, receive: Any, send: Any) -> None:
    await send(START)
    body = f"{scope['scheme']} {scope['client']}".encode()
    await send({"type": "http.response.body", "body": body})
