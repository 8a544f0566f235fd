"""A request's body as a file: read in any way, however it arrives, and whoever leaves."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any

import pytest
from tests.worker.conftest import Run
from tests.worker.gateway import Environ, Start, get, hello, post
from tests.worker.rig import PATIENCE, Client, rig


def logged(capfd: pytest.CaptureFixture[str]) -> str:
    return capfd.readouterr().err


def reading(read: Callable[[Any], Iterable[bytes]]) -> Any:
    def app(environ: Environ, start: Start) -> list[bytes]:
        pieces = list(read(environ["wsgi.input"]))
        start("200 OK", [])
        return [repr(pieces).encode()]

    return app


@pytest.mark.parametrize(
    ("read", "pieces"),
    [
        (lambda body: [body.read()], [b"first\nsecond\n\nrest"]),
        (lambda body: [body.read(3), body.read(5), body.read(-1)], [b"fir", b"st\nse", ...]),
        (
            lambda body: [body.readline(), body.readline(3), body.readline()],
            [b"first\n", b"sec", ...],
        ),
        (lambda body: body.readlines(), [b"first\n", b"second\n", b"\n", b"rest"]),
        (lambda body: body, [b"first\n", b"second\n", b"\n", b"rest"]),
        (lambda body: iter(lambda: body.readline(100), b""), [b"first\n", b"second\n", b"\n", ...]),
    ],
    ids=["read", "read some", "readline", "readlines", "iterate", "readline of at most"],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_body_is_read_as_a_file_however_it_arrives(
    read: Any, pieces: list[Any], step: int, run: Run
) -> None:
    body = b"first\nsecond\n\nrest"

    async def scenario() -> None:
        async with rig(reading(read), "wsgi") as made:
            client = await made.connect()
            request = post(body)
            for start in range(0, len(request), step):
                await client.send(request[start : start + step])
                await made.turn(lambda: True)
            got = eval((await client.answer()).body)
            assert b"".join(got) == body[: len(b"".join(got))]
            assert [a for a, b in zip(got, pieces, strict=False) if b is not ...] == [
                b for b in pieces if b is not ...
            ]

    run(scenario())


def test_a_client_that_waits_is_told_to_send_its_body_when_it_is_read(run: Run) -> None:
    async def scenario() -> None:
        async with rig(reading(lambda body: [body.read()]), "wsgi") as made:
            client = await made.connect()
            await client.send(get("/", "Expect: 100-continue", "Content-Length: 5", method="POST"))
            assert (await client.answer()).status == 100
            await client.send(b"hello")
            assert (await client.answer()).body == b"[b'hello']"

    run(scenario())


def test_a_body_that_nobody_reads_stays_with_the_client(run: Run) -> None:
    async def scenario() -> None:
        gate = threading.Event()

        def app(environ: Environ, start: Start) -> list[bytes]:
            gate.wait(PATIENCE)
            return hello(environ, start)

        async with rig(app, "wsgi") as made:
            client = await made.connect(SO_SNDBUF=4096, SO_RCVBUF=4096)
            await client.send(post(b"", announced=100_000_000))
            taken = 0
            while await _takes(client):
                taken += 65536
            assert taken < 1_000_000
            gate.set()
            assert (await client.answer()).body == b"hello"

    run(scenario())


async def _takes(client: Client) -> bool:
    """Whether the server takes a block in a fifth of a second."""
    try:
        async with asyncio.timeout(0.2):
            await client.send(bytes(65536))
    except TimeoutError:
        return False
    return True


def test_a_body_whose_client_leaves_is_no_complete_one(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        seen = SimpleQueue[BaseException]()

        def app(environ: Environ, start: Start) -> list[bytes]:
            try:
                environ["wsgi.input"].read()
            except OSError as error:
                seen.put(error)
                raise
            return hello(environ, start)

        async with rig(app, "wsgi") as made:
            for leave in (Client.close, Client.shut):
                client = await made.connect()
                await client.send(post(b"half", announced=8))
                await made.turn(lambda: made.server.in_flight == 1)
                leave(client)
                await made.turn(lambda: not seen.empty())
                assert "before its body" in str(seen.get())
            assert b" 500 " in await client.rest()

    run(scenario())
    assert "request_failed" not in logged(capfd)  # it isn't the application's fault
