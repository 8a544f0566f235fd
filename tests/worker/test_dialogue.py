"""A WebSocket's connection: flow control, signs of life, and every way in which it ends."""

# ruff: noqa: ARG001, ARG002 - an application takes what the protocol gives

import asyncio
from dataclasses import replace
from pathlib import Path as File
from typing import Any

import pytest
from tests.http.frames import BINARY, CLOSE, PING, PONG, TEXT, close, frame
from tests.worker.conftest import Run
from tests.worker.rig import GET, LIMITS, Message, Rig, hello, rig
from tests.worker.talking import ACCEPT, Collector, Talker, asking, echo, fragments, talk
from tests.worker.test_logged import logged

from prefork.wire.board import Field
from prefork.worker.dialogue import CLOSE_TIMEOUT, Dialogue
from prefork.worker.flow import HIGH_WATER, LINGER
from prefork.worker.service import DRAIN_WINDOW

pytestmark = pytest.mark.usefixtures("wire")

MEGABYTE = 1 << 20
QUICK = replace(LIMITS.websocket, ping_interval=10, ping_timeout=5)


def dialogue(made: Rig) -> Dialogue:
    """The server's side of the only connection."""
    (member,) = made.members
    assert isinstance(member, Dialogue)
    return member


class Lazy(Collector):
    """Receives only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        await self.go.wait()
        while not self.received or self.received[-1]["type"] != "websocket.disconnect":
            self.received.append(await receive())
        self.is_done = True


class Speaker:
    """Sends messages of a megabyte as long as it may."""

    def __init__(self) -> None:
        self.sent = 0
        self.error: Exception | None = None

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(MEGABYTE)})
                self.sent += 1
        except OSError as error:
            self.error = error


async def stalled(made: Rig) -> None:
    """Let the loop turn until nothing changes any more: everything there is was read."""
    for _ in range(50):
        await asyncio.sleep(0)


# Flow control


def test_a_client_that_does_not_read_pauses_send(run: Run) -> None:
    speaker = Speaker()

    async def scenario() -> None:
        async with rig(speaker) as made:
            talker = await talk(made)
            await made.turn(lambda: dialogue(made).blocked)
            await stalled(made)
            assert speaker.sent <= 2
            assert dialogue(made).transport.get_write_buffer_size() <= 2 * MEGABYTE
            before = speaker.sent
            for _ in range(before + 2):
                assert await talker.hear() == (BINARY, bytes(MEGABYTE))
            await made.turn(lambda: speaker.sent > before)

    run(scenario())


def test_an_application_that_does_not_receive_pauses_the_socket(run: Run) -> None:
    async def scenario() -> None:
        lazy = Lazy()
        async with rig(lazy) as made:
            talker = await talk(made)
            sending = asyncio.ensure_future(talker.say(frame(BINARY, bytes(1000)) * 8000))
            await made.turn(lambda: dialogue(made)._held)
            await stalled(made)
            assert not sending.done()
            assert dialogue(made)._socket.unparsed < MEGABYTE
            lazy.go.set()
            await sending
            await made.turn(lambda: len(lazy.received) == 8001)
            await talker.say(close(1000))
            await made.turn(lambda: lazy.is_done)
            assert {message.get("bytes", b"") for message in lazy.received[1:-1]} == {bytes(1000)}

    run(scenario())


def test_a_ping_is_answered_while_messages_wait_for_the_application(run: Run) -> None:
    async def scenario() -> None:
        lazy = Lazy()
        async with rig(lazy) as made:
            talker = await talk(made)
            await talker.say(*(frame(TEXT, b"%d" % number) for number in range(100)))
            await talker.say(frame(PING, b"there?"))
            assert await talker.hear() == (PONG, b"there?")
            lazy.go.set()
            await made.turn(lambda: len(lazy.received) == 101)
            assert [each.get("text") for each in lazy.received[1:]] == [str(n) for n in range(100)]

    run(scenario())


def test_what_comes_before_the_acceptance_is_held_within_bounds(run: Run) -> None:
    async def scenario() -> None:
        go = asyncio.Event()

        async def app(scope: Message, receive: Any, send: Any) -> None:
            await receive()
            waiting = asyncio.ensure_future(receive())
            await go.wait()
            await send(ACCEPT)
            await waiting
            for _ in range(7999):
                await receive()

        async with rig(app) as made:
            client = await made.connect()
            sending = asyncio.ensure_future(
                client.send(asking() + frame(BINARY, bytes(1000)) * 8000)
            )
            await made.turn(lambda: made.protocols[0]._held)
            await stalled(made)
            cycle = made.protocols[0]._cycle
            assert cycle is not None
            assert HIGH_WATER < len(cycle.buffer) < MEGABYTE
            go.set()
            assert (await client.answer()).status == 101
            await sending
            await client.send(close(1000))
            assert await client.rest() == frame(CLOSE, b"\x03\xe8", masked=False)

    run(scenario())


def test_pings_are_not_answered_without_end(run: Run) -> None:
    async def scenario() -> None:
        async with rig(echo) as made:
            talker = await talk(made)
            sending = asyncio.ensure_future(talker.say(frame(PING, bytes(125)) * 40_000))
            await made.turn(lambda: dialogue(made).blocked)
            await stalled(made)
            assert not sending.done()
            assert dialogue(made).transport.get_write_buffer_size() < MEGABYTE
            pong = frame(PONG, bytes(125), masked=False)
            assert await talker.client.exactly(40_000 * len(pong)) == pong * 40_000
            await sending

    run(scenario())


def test_a_flood_of_small_frames_leaves_others_their_turn(run: Run) -> None:
    async def scenario() -> None:
        async with rig(echo) as made:
            flooding, other = await talk(made), await talk(made)
            await flooding.say(frame(PING) * 5000 + frame(TEXT, b"done"))
            await other.say(frame(TEXT, b"a"))
            assert await other.hear() == (TEXT, b"a")
            for _ in range(5000):
                assert await flooding.hear() == (PONG, b"")
            assert await flooding.hear() == (TEXT, b"done")

    run(scenario())


def test_a_message_in_a_thousand_fragments_is_echoed_as_one(run: Run) -> None:
    async def scenario() -> None:
        async with rig(echo) as made:
            talker = await talk(made)
            data = bytes(range(250)) * 4000
            await talker.say(*fragments(BINARY, data, 1000))
            assert await talker.hear() == (BINARY, data)

    run(scenario())


def test_what_came_before_the_client_left_is_received_first(run: Run) -> None:
    async def scenario() -> None:
        lazy = Lazy()
        async with rig(lazy) as made:
            talker = await talk(made)
            await talker.say(*(frame(TEXT, b"%d" % number) for number in range(3)), close(1001))
            talker.client.close()
            await made.turn(lambda: made.server.connections == 0)
            lazy.go.set()
            await made.turn(lambda: lazy.is_done)
            assert [message.get("text") for message in lazy.received[1:-1]] == ["0", "1", "2"]
            assert lazy.disconnect == (1001, "")

    run(scenario())


def test_what_came_while_the_client_did_not_read_is_received_too(run: Run) -> None:
    received: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await Speaker()(scope, receive, send)
        while not received or received[-1]["type"] != "websocket.disconnect":
            received.append(await receive())

    async def scenario() -> None:
        async with rig(app) as made:
            talker = await talk(made)
            await made.turn(lambda: dialogue(made).blocked)
            await talker.say(frame(TEXT, b"last words"))
            await made.turn(lambda: dialogue(made)._socket.unparsed > 0)
            talker.client.close()
            await made.turn(lambda: len(received) == 3)
            assert received[1]["text"] == "last words"

    run(scenario())


# By TLS the goodbye comes with the rest, so that nothing is begun any more.
@pytest.mark.parametrize("wire", ["plain"], indirect=True)
def test_a_client_that_left_before_its_turn_leaves_nothing_behind(run: Run) -> None:
    async def scenario() -> None:
        go = asyncio.Event()
        ended: list[str] = []

        async def app(scope: Message, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await go.wait()
                await hello(scope, receive, send)
                return
            try:
                await echo(scope, receive, send)
            finally:
                ended.append(scope["path"])

        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET + asking())
            client.shut()
            await made.turn(lambda: made.protocols[0]._held)
            go.set()  # its end is seen before or after the acceptance
            await made.turn(lambda: made.server.connections == 0 and len(ended) == 1)
            assert (made.server.in_flight, made.members) == (0, set())

    run(scenario())


# How it ends


def test_what_breaks_the_protocol_is_told_to_both_sides(run: Run) -> None:
    collector = Collector()

    async def scenario() -> None:
        async with rig(collector) as made:
            talker = await talk(made)
            await talker.say(frame(TEXT, b"\xff"), frame(TEXT, b"late"))
            opcode, payload = await talker.hear()
            assert (opcode, payload[:2]) == (CLOSE, b"\x03\xef")
            assert await talker.client.rest() == b""
            assert collector.disconnect == (1007, "the text is not UTF-8")
            made.tick(LINGER + 1)
            await made.turn(lambda: made.server.connections == 0)

    run(scenario())


def test_a_message_over_the_limit_is_a_1009(run: Run) -> None:
    collector = Collector()

    async def scenario() -> None:
        async with rig(collector, websocket=replace(LIMITS.websocket, message=100)) as made:
            talker = await talk(made)
            await talker.say(frame(BINARY, bytes(100)), frame(BINARY, bytes(101)))
            assert await talker.closed() == 1009
            assert collector.received[1]["bytes"] == bytes(100)
            assert collector.disconnect == (1009, "the message is larger than 100 bytes")

    run(scenario())


def test_a_client_that_never_answers_the_close_is_dropped(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send(ACCEPT)

    async def scenario() -> None:
        async with rig(app) as made:
            talker = await talk(made)
            assert (await talker.hear())[0] == CLOSE
            await talker.say(frame(TEXT, b"not what was awaited"))
            made.tick(CLOSE_TIMEOUT - 1)
            assert await talker.client.is_open()
            made.tick(1.5)
            assert await talker.client.rest() == b""
            await made.turn(lambda: made.server.connections == 0)

    run(scenario())


def test_the_clients_answer_to_the_close_ends_the_connection(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send(ACCEPT)

    async def scenario() -> None:
        async with rig(app) as made:
            talker = await talk(made)
            await talker.say(frame(TEXT, b"late") * 1000)
            assert await talker.closed() == 1000
            assert await talker.client.rest() == b""
            await made.turn(lambda: made.server.connections == 0)

    run(scenario())


def test_an_application_that_closes_what_it_never_received_sees_the_answer(run: Run) -> None:
    async def scenario() -> None:
        go = asyncio.Event()

        async def app(scope: Message, receive: Any, send: Any) -> None:
            await send(ACCEPT)
            await go.wait()

        async with rig(app) as made:
            talker = await talk(made)
            sending = asyncio.ensure_future(talker.say(frame(BINARY, bytes(1000)) * 2000))
            await made.turn(lambda: dialogue(made)._held)
            go.set()
            await sending
            assert await talker.closed() == 1000
            assert await talker.client.rest() == b""
            await made.turn(lambda: made.server.connections == 0)

    run(scenario())


# Signs of life


def test_a_client_is_asked_in_every_interval_and_answers(run: Run) -> None:
    async def scenario() -> None:
        async with rig(echo, websocket=QUICK) as made:
            talker = await talk(made)
            for _ in range(3):
                made.tick(9)
                assert await talker.client.is_open()
                made.tick(1.5)
                assert await talker.hear() == (PING, b"")
                await talker.say(frame(PONG), frame(TEXT, b"x"))
                assert await talker.hear() == (TEXT, b"x")

    run(scenario())


def test_a_client_that_does_not_answer_is_dropped(run: Run) -> None:
    collector = Collector()

    async def scenario() -> None:
        async with rig(collector, websocket=QUICK) as made:
            talker = await talk(made)
            made.tick(10.5)
            assert await talker.hear() == (PING, b"")
            made.tick(4)
            assert await talker.client.is_open()
            made.tick(1.5)
            opcode, payload = await talker.hear()
            assert (opcode, payload) == (CLOSE, b"\x03\xf3keepalive ping timeout")
            assert await talker.client.rest() == b""
            await made.turn(lambda: collector.is_done)
            assert collector.disconnect == (1006, "")

    run(scenario())


def test_anything_that_comes_is_a_sign_of_life(run: Run) -> None:
    async def scenario() -> None:
        async with rig(echo, websocket=QUICK) as made:
            talker = await talk(made)
            made.tick(10.5)
            assert await talker.hear() == (PING, b"")
            await talker.say(frame(TEXT, bytes(1000))[:500])  # a pong can't come within a frame
            await made.turn(lambda: not dialogue(made)._awaits)
            made.tick(6)
            assert await talker.client.is_open()

    run(scenario())


def test_an_application_that_does_not_receive_costs_no_client_its_connection(run: Run) -> None:
    async def scenario() -> None:
        lazy = Lazy()
        async with rig(lazy, websocket=QUICK) as made:
            talker = await talk(made)
            sending = asyncio.ensure_future(talker.say(frame(BINARY, bytes(1000)) * 8000))
            await made.turn(lambda: dialogue(made)._held)
            for _ in range(10):
                made.tick(10)
            assert dialogue(made).is_open
            lazy.go.set()
            await sending

    run(scenario())


def test_a_client_that_reads_nothing_is_dropped(run: Run) -> None:
    speaker = Speaker()

    async def scenario() -> None:
        async with rig(speaker, websocket=QUICK) as made:
            await talk(made)
            await made.turn(lambda: dialogue(made).blocked)
            await stalled(made)
            made.tick(LIMITS.send_timeout - 1)
            assert made.server.connections == 1
            for _ in range(2):  # at the first look the kernel had taken something
                made.tick(LIMITS.send_timeout)
            await made.turn(lambda: made.server.connections == 0)
            await made.turn(lambda: speaker.error is not None)

    run(scenario())


def test_without_an_interval_nobody_is_asked(run: Run) -> None:
    async def scenario() -> None:
        async with rig(echo, websocket=replace(QUICK, ping_interval=0)) as made:
            talker = await talk(made)
            made.tick(100_000)
            assert await talker.client.is_open()

    run(scenario())


# Stop and reload


def test_a_drain_closes_with_1012_and_takes_what_comes_until_then(run: Run) -> None:
    collector = Collector()

    async def scenario() -> None:
        async with rig(collector) as made:
            talker = await talk(made)
            made.server.start_drain()
            made.now = made.loop.time()
            made.tick(DRAIN_WINDOW + 0.1)
            assert await talker.hear() == (CLOSE, b"\x03\xf4service restart")
            await talker.say(frame(TEXT, b"last words"), close(1012))
            await made.server.drained
            assert collector.received[1]["text"] == "last words"
            assert collector.disconnect == (1012, "service restart")

    run(scenario())


def test_a_drain_does_not_close_all_at_once(run: Run) -> None:
    async def scenario() -> None:
        async with rig(echo) as made:
            talkers = [await talk(made) for _ in range(20)]
            made.server.start_drain()
            deadlines = {member.deadline for member in made.members}
            assert len(deadlines) == len(talkers)
            assert max(deadlines) - min(deadlines) < DRAIN_WINDOW

    run(scenario())


def test_what_is_accepted_while_draining_is_closed_too(run: Run) -> None:
    async def scenario() -> None:
        go = asyncio.Event()
        accepted: list[bool] = []

        async def app(scope: Message, receive: Any, send: Any) -> None:
            await go.wait()
            accepted.append(True)
            await echo(scope, receive, send)

        async with rig(app) as made:
            client = await made.connect()
            await client.send(asking())
            await made.turn(lambda: made.server.in_flight == 1)
            made.server.start_drain()
            go.set()
            talker = Talker(client, await client.answer())
            made.now = made.loop.time()
            made.tick(1)
            assert await talker.closed() == 1012
            await made.server.drained

    run(scenario())


def test_an_application_that_is_slow_to_end_is_waited_for(run: Run) -> None:
    async def scenario() -> None:
        go = asyncio.Event()

        async def app(scope: Message, receive: Any, send: Any) -> None:
            await echo(scope, receive, send)
            await go.wait()

        async with rig(app) as made:
            talker = await talk(made)
            made.server.start_drain()
            made.now = made.loop.time()
            made.tick(DRAIN_WINDOW + 0.1)
            assert await talker.closed() == 1012
            await made.turn(lambda: made.server.connections == 0)
            assert not made.server.drained.done()
            go.set()
            await made.server.drained

    run(scenario())


def test_the_deadline_cuts_what_is_open(run: Run) -> None:
    async def scenario() -> None:
        cancelled: list[bool] = []

        async def app(scope: Message, receive: Any, send: Any) -> None:
            await send(ACCEPT)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

        async with rig(app) as made:
            talker = await talk(made)
            made.server.start_drain()
            assert made.server.cut() == 1
            assert await talker.hear() == (CLOSE, b"\x03\xf4service restart")
            assert await talker.client.rest() == b""
            await made.server.drained
            assert cancelled == [True]

    run(scenario())


# What is counted and told


def test_an_open_websocket_is_a_connection_and_a_request_that_was_answered(run: Run) -> None:
    async def scenario() -> None:
        async with rig(echo) as made:
            talker = await talk(made)
            made.tick(0)
            assert [made.board(each) for each in (Field.CONNECTIONS, Field.REQUESTS)] == [1, 1]
            assert (made.board(Field.IN_FLIGHT), made.server.in_flight) == (0, 0)
            talker.client.close()
            await made.turn(lambda: made.server.connections == 0)
            assert [made.board(each) for each in (Field.CONNECTIONS, Field.REQUESTS)] == [0, 1]
            assert not made.members

    run(scenario())


@pytest.mark.parametrize(
    ("app", "line"),
    [
        (echo, '"GET /ws HTTP/1.1" 101 0 "-" "-"'),
        ("close", '"GET /ws HTTP/1.1" 403 0 "-" "-"'),
        ("fail", '"GET /ws HTTP/1.1" 500 22 "-" "-"'),
        ("gone", '"GET /ws HTTP/1.1" 499 0 "-" "-"'),
        ("wrong", '"GET /ws HTTP/1.1" 426 52 "-" "-"'),
    ],
)
def test_a_handshake_has_one_line_in_the_access_log(
    run: Run, tmp_path: File, app: Any, line: str
) -> None:
    async def other(scope: Message, receive: Any, send: Any) -> None:
        if app == "close":
            await send({"type": "websocket.close"})
        while app == "gone" and (await receive())["type"] != "websocket.disconnect":
            pass

    async def scenario() -> None:
        async with logged(tmp_path / "log", other if isinstance(app, str) else app) as made:
            client = await made.rig.connect()
            said = asking().replace(b"n: 13", b"n: 12") if app == "wrong" else asking()
            await client.send(said)
            if app == "gone":
                await made.rig.turn(lambda: made.rig.server.in_flight == 1)
            else:
                await client.answer()
            assert made.lines() == ([] if app == "gone" else [line])
            client.close()
            await made.rig.turn(lambda: made.rig.server.connections == 0)
            assert made.lines() == [line]

    run(scenario())


@pytest.mark.parametrize("flood", [PING, PONG])
def test_a_flood_of_control_frames_is_not_read_faster_than_it_is_parsed(
    run: Run, flood: int
) -> None:
    async def scenario() -> None:
        app = Lazy()
        async with rig(app) as made:
            await talk(made)
            talking = dialogue(made)
            talking.data_received(frame(flood, b"") * 40_000)
            assert talking._held
            await made.turn(lambda: not talking._held)
            app.go.set()

    run(scenario())


def test_a_close_waits_for_a_client_that_is_still_reading_and_for_no_other(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        await send({"type": "websocket.send", "bytes": bytes(8 * MEGABYTE)})

    async def scenario() -> None:
        async with rig(app) as made:
            talker = await talk(made)
            await made.turn(lambda: dialogue(made).blocked)
            await stalled(made)
            made.tick(CLOSE_TIMEOUT + 1)
            assert await talker.hear() == (BINARY, bytes(8 * MEGABYTE))
            assert await talker.closed() == 1000

        async with rig(app) as made:
            await talk(made)
            await made.turn(lambda: dialogue(made).blocked)
            await stalled(made)
            made.tick(CLOSE_TIMEOUT + 1)
            made.tick(LIMITS.send_timeout + 1)
            await made.turn(lambda: made.server.connections == 0)

    run(scenario())
