"""Applications of each interface that do wrong what can be done wrong, as the path asks."""

# ruff: noqa: ARG001, ARG005 - an application takes what the protocol gives

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

from tests.support.apps import FOREVER, tell
from tests.support.pacing import think

from prefork import Request, Response

HUGE = 100_000_000  # bytes
BAD_HEADERS: dict[str, Any] = {
    "cr-in-value": (b"a", b"b\rc"),
    "lf-in-value": (b"a", b"b\nc: d"),
    "crlf-in-value": (b"a", b"b\r\n\r\n<html>"),
    "nul-in-value": (b"a", b"b\0c"),
    "cr-in-name": (b"a\r", b"b"),
    "lf-in-name": (b"a\nb", b"c"),
    "nul-in-name": (b"a\0", b"b"),
    "colon-in-name": (b"a: b\r\nc", b"d"),
    "empty-name": (b"", b"b"),
}
NO_BYTES: dict[str, Any] = {
    "str-name": ("a", b"b"),
    "str-value": (b"a", "b"),
    "no-value": (b"a", None),
    "number": (b"a", 5),
    "three": (b"a", b"b", b"c"),
}


class Weird(BaseException):
    """What no framework expects."""


class Unprintable(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise LookupError("not even that")


ERRORS: dict[str, Callable[[], BaseException]] = {
    "exception": lambda: LookupError("in the application"),
    "system-exit": lambda: SystemExit(3),
    "keyboard-interrupt": KeyboardInterrupt,
    "cancelled": asyncio.CancelledError,
    "generator-exit": GeneratorExit,
    "stop-iteration": StopIteration,
    "base-exception": Weird,
    "unprintable": Unprintable,
    "surrogate": lambda: ValueError("\ud800 and \0"),
    "group": lambda: BaseExceptionGroup("several", [KeyboardInterrupt(), ValueError("one")]),
}


def hello() -> bytes:
    return str(os.getpid()).encode()


# ASGI


class Sender:
    """`send` in few words."""

    def __init__(self, send: Any) -> None:
        self.message = send

    async def start(self, status: Any = 200, *headers: Any, length: int | None = None) -> None:
        pairs = [*headers, *([] if length is None else [(b"content-length", b"%d" % length)])]
        await self.message({"type": "http.response.start", "status": status, "headers": pairs})

    async def body(self, body: Any = b"", more: bool = False) -> None:
        await self.message({"type": "http.response.body", "body": body, "more_body": more})


Asgi = Callable[[Any, Sender], Awaitable[None]]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    kind, _, what = scope["path"][1:].partition("/")
    sender = Sender(send)
    if kind == "hello":
        await sender.start()
        await sender.body(hello())
    elif kind == "header":
        await sender.start(200, (BAD_HEADERS | NO_BYTES)[what])
        await sender.body(b"a")
    elif kind in ("before", "started", "within", "after"):
        await _as_far_as(kind, sender)
        raise ERRORS[what]()
    else:
        await ASGI[kind](receive, sender)


async def _as_far_as(moment: str, sender: Sender) -> None:
    """Answer up to a moment."""
    if moment != "before":
        await sender.start(length=5)
    if moment == "within":
        await sender.body(b"hel", more=True)
    elif moment == "after":
        await sender.body(b"hello")


async def too_many(receive: Any, sender: Sender) -> None:
    await sender.start(length=5)
    await sender.body(b"too much")


async def too_many_later(receive: Any, sender: Sender) -> None:
    await sender.start(length=5)
    await sender.body(b"too", more=True)
    await sender.body(b" much")


async def too_few(receive: Any, sender: Sender) -> None:
    await sender.start(length=5)
    await sender.body(b"few")


async def too_few_later(receive: Any, sender: Sender) -> None:
    await sender.start(length=5)
    await sender.body(b"few", more=True)
    await sender.body()


async def half_and_return(receive: Any, sender: Sender) -> None:
    await sender.start()
    await sender.body(b"half", more=True)


async def start_and_return(receive: Any, sender: Sender) -> None:
    await sender.start()


async def nothing(receive: Any, sender: Sender) -> None:
    return


async def body_first(receive: Any, sender: Sender) -> None:
    await sender.body(b"hello")


async def start_twice(receive: Any, sender: Sender) -> None:
    await sender.start()
    await sender.start()


async def start_late(receive: Any, sender: Sender) -> None:
    await sender.start()
    await sender.body(b"half", more=True)
    await sender.start()


async def after_the_end(receive: Any, sender: Sender) -> None:
    await sender.start()
    await sender.body(b"hello")
    await sender.body(b"again")


async def hushed_up(receive: Any, sender: Sender) -> None:
    """Break the rules, and take no notice of being told."""
    for _ in range(3):
        with suppress(Exception):
            await sender.body(b"hello")


async def huge(receive: Any, sender: Sender) -> None:
    await sender.start()
    await sender.body(bytes(HUGE))


async def never(receive: Any, sender: Sender) -> None:
    tell("waits")
    await think(FOREVER)


async def until_gone(receive: Any, sender: Sender) -> None:
    tell("waits")
    while (await receive())["type"] != "http.disconnect":
        pass
    tell("saw the disconnect")


async def heedless(receive: Any, sender: Sender) -> None:
    """Go on receiving for ever, whatever it is told."""
    tell("waits")
    try:
        while True:
            await receive()
    finally:
        tell("was ended")


async def sends_on(receive: Any, sender: Sender) -> None:
    """Go on sending for ever, to nobody."""
    await sender.start()
    try:
        while True:
            await sender.body(bytes(65536), more=True)
    finally:
        tell("was ended")


async def unread(receive: Any, sender: Sender) -> None:
    await sender.start()
    await sender.body(hello())


def starting(status: Any) -> Asgi:
    async def app(receive: Any, sender: Sender) -> None:
        await sender.start(status)
        await sender.body(b"a")

    return app


def saying(message: Any) -> Asgi:
    async def app(receive: Any, sender: Sender) -> None:
        await sender.message(message)

    return app


def with_body(body: Any) -> Asgi:
    async def app(receive: Any, sender: Sender) -> None:
        await sender.start()
        await sender.body(body)

    return app


ASGI: dict[str, Asgi] = {
    "too-many": too_many,
    "too-many-later": too_many_later,
    "too-few": too_few,
    "too-few-later": too_few_later,
    "half-and-return": half_and_return,
    "start-and-return": start_and_return,
    "nothing": nothing,
    "body-first": body_first,
    "start-twice": start_twice,
    "start-late": start_late,
    "after-the-end": after_the_end,
    "hushed-up": hushed_up,
    "huge": huge,
    "never": never,
    "until-gone": until_gone,
    "heedless": heedless,
    "sends-on": sends_on,
    "unread": unread,
    "status-99": starting(99),
    "status-1000": starting(1000),
    "status-100": starting(100),
    "status-text": starting("200"),
    "status-none": starting(None),
    "status-list": starting([200]),
    "wrong-type": saying({"type": "websocket.send", "bytes": b""}),
    "no-type": saying({"status": 200}),
    "no-status": saying({"type": "http.response.start"}),
    "no-message": saying(None),
    "headers-number": saying({"type": "http.response.start", "status": 200, "headers": 5}),
    "text-body": with_body("text"),
    "no-body": with_body(None),
}


# The handler


async def handler(request: Request) -> Any:
    kind, _, what = request.path[1:].partition("/")
    if kind == "hello":
        return hello()
    if kind == "header":
        return Response(b"a", headers=[BAD_HEADERS[what]])
    if kind == "before":
        raise ERRORS[what]()
    if kind == "within":
        return Response(_broken(ERRORS[what]()))
    if kind == "never":
        tell("waits")
        try:
            await think(FOREVER)
        finally:
            tell("was ended")
    return HANDLER[kind]()


async def _broken(error: BaseException) -> AsyncIterator[bytes]:
    yield b"hel"
    raise error


async def _pieces(*pieces: Any) -> AsyncIterator[Any]:
    for piece in pieces:
        yield piece


async def _endless() -> AsyncIterator[bytes]:
    try:
        while True:
            yield bytes(65536)
    finally:
        tell("was ended")


HANDLER: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "number": lambda: 5,
    "triple": lambda: (200, b"", b""),
    "status-99": lambda: Response(b"a", status=99),
    "status-1000": lambda: (1000, b"a"),
    "status-text": lambda: Response(b"a", status="200"),  # type: ignore[arg-type]
    "too-many": lambda: Response(b"too much", headers={"content-length": "5"}),
    "too-few": lambda: Response(b"few", headers={"content-length": "5"}),
    "too-many-later": lambda: Response(_pieces(b"too", b" much"), 200, {"content-length": "5"}),
    "too-few-later": lambda: Response(_pieces(b"few"), 200, {"content-length": "5"}),
    "wrong-piece": lambda: Response(_pieces(b"hel", 5)),
    "huge": lambda: bytes(HUGE),
    "unread": hello,
    "sends-on": lambda: Response(_endless()),
}


# WSGI


def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
    kind, _, what = environ["PATH_INFO"][1:].partition("/")
    if kind == "hello":
        start_response("200 OK", [])
        return [hello()]
    if kind == "header":
        name, value = BAD_HEADERS[what]
        start_response("200 OK", [(name.decode("latin-1"), value.decode("latin-1"))])
        return [b"a"]
    if kind == "before":
        raise ERRORS[what]()
    if kind in ("within", "after"):
        return _failing(start_response, b"hel" if kind == "within" else b"hello", ERRORS[what]())
    return WSGI[kind](start_response)


def _failing(start: Any, piece: bytes, error: BaseException) -> Iterator[bytes]:
    start("200 OK", [("Content-Length", "5")])
    yield piece
    raise error


def _answering(*pieces: Any, length: str = "", status: Any = "200 OK") -> Callable[[Any], Any]:
    def app(start: Any) -> Iterator[Any]:
        start(status, [("Content-Length", length)] if length else [])
        yield from pieces

    return app


def _twice(start: Any) -> list[bytes]:
    start("200 OK", [])
    start("200 OK", [])
    return [b"a"]


def _unread(start: Any) -> list[bytes]:
    start("200 OK", [])
    return [hello()]


def _sends_on(start: Any) -> Iterator[bytes]:
    start("200 OK", [])
    try:
        while True:
            yield bytes(65536)
    finally:
        tell("was ended")


WSGI: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda start: None,
    "body-first": lambda start: [b"a"],
    "start-twice": _twice,
    "too-many": _answering(b"too much", length="5"),
    "too-many-later": _answering(b"too", b" much", length="5"),
    "too-few": _answering(length="5"),
    "too-few-later": _answering(b"few", length="5"),
    "status-99": _answering(b"a", status="99 Low"),
    "status-1000": _answering(b"a", status="1000 High"),
    "status-number": _answering(b"a", status=200),
    "text-body": _answering("text"),
    "exits": lambda start: sys.exit(3),
    "huge": _answering(bytes(HUGE)),
    "sends-on": _sends_on,
    "unread": _unread,
}
