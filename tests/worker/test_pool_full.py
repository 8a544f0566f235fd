"""What a client is told whose request a full pool has no room for."""

# ruff: noqa: ARG001 - an application takes what the protocol gives

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from tests.worker.conftest import Run
from tests.worker.rig import Answer, Rig, rig

from prefork.pool import PoolFull, refusal
from prefork.worker.application import Kind

LENGTH = (b"content-length", b"5")
FULL = PoolFull("7 tasks wait already (pool_queue)", 3.0)


def ask(run: Run, app: Callable[..., Any], kind: Kind) -> Answer:
    """Give the answer; the connection must be good for another."""
    got: list[Answer] = []

    async def scenario() -> None:
        async with rig(app, kind) as made:
            client = await made.connect()
            got.append(await client.get())
            assert not got[0].closes
            got.append(await client.get())
            await made.turn(lambda: _is_at_rest(made))

    run(scenario())
    return got[0]


def _is_at_rest(made: Rig) -> bool:
    return all(member.request is None for member in made.members)


async def handler(request: Any) -> str:
    raise FULL


async def bare(scope: Any, receive: Any, send: Any) -> None:
    raise FULL


async def begun(scope: Any, receive: Any, send: Any) -> None:
    """Raises after the head, of which nothing is sent yet."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise FULL


async def framework(scope: Any, receive: Any, send: Any) -> None:
    """As Starlette does: it makes its own answer, and raises all the same."""
    refusal.note(FULL)
    headers = [(b"content-type", b"text/plain"), LENGTH]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": b"Oops!"})
    raise FULL


GROUP = ExceptionGroup("of a TaskGroup", [ExceptionGroup("inner", [FULL]), PoolFull("", 1.0)])
MIXED = ExceptionGroup("of a TaskGroup", [FULL, ValueError("no number")])


async def group(request: Any) -> str:
    raise GROUP


async def bare_group(scope: Any, receive: Any, send: Any) -> None:
    raise GROUP


async def oops(send: Any, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": 500, "headers": [LENGTH, *headers]})
    await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"Oops!"})


async def elsewhere(scope: Any, receive: Any, send: Any) -> None:
    """As Litestar does of what a thread, or another task, has raised: it answers in `except`."""
    await asyncio.sleep(0)
    try:
        raise GROUP
    except ExceptionGroup:
        await asyncio.sleep(0)
        await oops(send)


async def threaded(scope: Any, receive: Any, send: Any) -> None:
    """As asgiref does with a plain function: a thread runs it, whose context it takes back."""

    def view() -> None:
        refusal.note(FULL)

    await sync_to_async(view)()
    await send({"type": "http.response.start", "status": 500, "headers": [LENGTH]})
    await send({"type": "http.response.body", "body": b"Oops!"})


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    raise FULL


def flask(environ: Any, start_response: Any) -> list[bytes]:
    """As Flask does: nobody hears what was raised."""
    refusal.note(FULL)
    start_response("500 INTERNAL SERVER ERROR", [("content-length", "5")])
    return [b"Oops!"]


@pytest.mark.parametrize(
    ("app", "kind", "body"),
    [
        (handler, "handler", b"the pool is full\n"),
        (bare, "asgi", b"the pool is full\n"),
        (begun, "asgi", b"the pool is full\n"),
        (group, "handler", b"the pool is full\n"),
        (bare_group, "asgi", b"the pool is full\n"),
        (elsewhere, "asgi", b"Oops!"),
        (framework, "asgi", b"Oops!"),
        (threaded, "asgi", b"Oops!"),
        (wsgi, "wsgi", b"the pool is full\n"),
        (flask, "wsgi", b"Oops!"),
    ],
    ids=[
        "handler",
        "asgi",
        "asgi-begun",
        "group",
        "asgi-group",
        "litestar",
        "starlette",
        "asgi-threaded",
        "wsgi",
        "flask",
    ],
)
def test_a_full_pool_is_answered_by_503_and_when_to_come_again(
    run: Run, app: Callable[..., Any], kind: Kind, body: bytes
) -> None:
    answer = ask(run, app, kind)
    assert (answer.status, answer.headers["retry-after"]) == (503, "3")
    assert answer.body == body


async def for_another_reason(scope: Any, receive: Any, send: Any) -> None:
    refusal.note(FULL)  # and the application has caught it
    try:
        raise ValueError("no number")
    except ValueError:
        await oops(send)


async def for_another_reason_too(scope: Any, receive: Any, send: Any) -> None:
    try:
        raise MIXED
    except ExceptionGroup:
        await oops(send)


async def mixed(scope: Any, receive: Any, send: Any) -> None:
    raise MIXED


async def renamed(scope: Any, receive: Any, send: Any) -> None:
    try:
        raise FULL
    except PoolFull as full:
        raise ValueError("no till is free") from full


async def deliberate(scope: Any, receive: Any, send: Any) -> None:
    """Knows that the pool is full, and says by itself when to come again."""
    refusal.note(FULL)
    await oops(send, (b"Retry-After", b"7"))


@pytest.mark.parametrize(
    ("app", "retry_after"),
    [
        (for_another_reason, None),
        (for_another_reason_too, None),
        (mixed, None),
        (renamed, None),
        (deliberate, "7"),
    ],
)
def test_a_failure_for_another_reason_stays_a_failure(
    run: Run, app: Callable[..., Any], retry_after: str | None
) -> None:
    answer = ask(run, app, "asgi")
    assert (answer.status, answer.headers.get("retry-after")) == (500, retry_after)


def test_a_failure_of_another_request_stays_a_failure(run: Run) -> None:
    """What was refused is of one request, not of the task whose first step it was."""
    turns = iter([True, False])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if next(turns):
            refusal.note(FULL)
        await send({"type": "http.response.start", "status": 500, "headers": [LENGTH]})
        await send({"type": "http.response.body", "body": b"Oops!"})

    statuses = []

    async def scenario() -> None:
        async with rig(app, "asgi") as made:
            client = await made.connect()
            statuses.extend([(await client.get()).status, (await client.get()).status])

    run(scenario())
    assert statuses == [503, 500]


def test_a_failure_after_what_a_script_met_before_it_listened_stays_a_failure(run: Run) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await oops(send)

    statuses = []

    async def scenario() -> None:
        refusal.note(FULL)
        async with rig(app, "asgi") as made:
            client = await made.connect()
            statuses.append((await client.get()).status)

    run(scenario())
    assert statuses == [500]


def test_a_failure_of_another_request_in_the_same_thread_stays_a_failure(run: Run) -> None:
    turns = iter([flask, None])

    def app(environ: Any, start_response: Any) -> list[bytes]:
        if (first := next(turns)) is not None:
            return first(environ, start_response)
        start_response("500 Oops", [("content-length", "0")])
        return [b""]

    statuses = []

    async def scenario() -> None:
        async with rig(app, "wsgi") as made:
            client = await made.connect()
            statuses.extend([(await client.get()).status, (await client.get()).status])

    run(scenario())
    assert statuses == [503, 500]


def test_it_is_logged_once_a_minute_and_not_as_a_failure(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            for _ in range(5):
                await client.get()

    run(scenario())
    said = capfd.readouterr().err
    assert said.count("pool_full") <= 1
    assert "request_failed" not in said
