"""The handler interface: `async def handler(request)`, and what it returns."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from prefork.http.rules import Field
from prefork.worker.address import Address
from prefork.worker.cycle import Cycle
from prefork.worker.response import PLAIN, TEXT, WHOLE, Headings, encode, fields_of, parts_of
from prefork.worker.tracebacks import ANYTHING


class MalformedBody(ValueError):  # noqa: N818 - the client's fault
    """The request's body is not what the handler asked for; uncaught, it is answered by 400."""


class Headers(Mapping[str, str]):
    """A request's headers: names in any case; several of one name are joined by a comma."""

    __slots__ = ("_fields",)

    def __init__(self, fields: list[Field]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        wanted = name.lower().encode("latin-1", "replace")
        values = [value for known, value in self._fields if known == wanted]
        if not values:
            raise KeyError(name)
        return b", ".join(values).decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.decode("latin-1") for name, _ in self._fields))

    def __len__(self) -> int:
        return len({name for name, _ in self._fields})

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"


class Request(Cycle):
    """What a handler is given.

    Attributes are `method`, `path` (decoded), `raw_path` and `query_string` (bytes, as they came)
    and `version` ("1.1" or "1.0"). `async for piece in request` reads the body as it arrives.
    """

    # It is the exchange itself: a second object would cost 0.2 µs. These are empty until they are
    # asked for: to fill them costs 0.1 µs.
    __slots__ = ("_headers", "_query", "_state", "_whole")

    _headers: Headers
    _query: dict[str, str]
    _state: dict[str, Any]
    _whole: bytes

    @property
    def headers(self) -> Headers:
        """The headers by name, in any case."""
        if not hasattr(self, "_headers"):
            self._headers = Headers(self.fields)
        return self._headers

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, decoded; of several with one name, the last."""
        if not hasattr(self, "_query"):
            pairs = parse_qsl(self.query_string.decode("ascii"), keep_blank_values=True)
            self._query = dict(pairs)
        return self._query

    @property
    def client(self) -> Address | None:
        """The client's (host, port), as a trusted proxy says, else the peer's; None: unknown.

        The port is 0 where the proxy doesn't tell it. A peer of a Unix socket has no address.
        """
        return self.carrier.client if self.forwarded is None else self.forwarded.client

    @property
    def scheme(self) -> str:
        """How the client asked: http or https, as a trusted proxy says."""
        return self.carrier.scheme if self.forwarded is None else self.forwarded.scheme

    @property
    def state(self) -> dict[str, Any]:
        """A dictionary of this request's own."""
        if not hasattr(self, "_state"):
            self._state = self.carrier.service.state.copy()
        return self._state

    async def body(self) -> bytes:
        """The whole body. Call it as often as you like."""
        if not hasattr(self, "_whole"):
            self._whole = b"".join([piece async for piece in self])
        return self._whole

    async def json(self) -> Any:
        """The body, decoded from JSON. Raises MalformedBody, a ValueError, where it is none."""
        try:
            return msgspec.json.decode(await self.body())
        except msgspec.DecodeError as error:
            raise MalformedBody(f"the body is no JSON: {error}") from error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in pieces, as they arrive; each is given once."""
        while True:
            if self.buffer:
                yield self.take()
            elif self.body_complete:
                return
            else:
                await self.change()


class HandlerCycle(Request):
    """One request to a handler."""

    __slots__ = ()

    def disconnect(self) -> None:
        """A handler has no way to ask, so it ends with its client; once, or it can't clean up."""
        if not self.disconnected:
            self.cancel()

    async def run(self) -> None:
        carrier = self.carrier
        service = carrier.service
        try:
            returned = await service.call(self)
            plain = PLAIN.get(type(returned))
            if plain is None:
                await self._answer(*parts_of(returned))
                return
            content_type, encoder = plain
            if carrier.blocked:
                await carrier.writable()
            if service.draining and carrier.is_last():
                self.keep_alive = False
            if not self.gone:
                written = self.whole(200, content_type, encoder(returned), service.date)
                carrier.transport.write(written)
                carrier.answered()
        except MalformedBody as error:
            if self.sent:
                self.fail(error)
            else:
                self._refuse(f"{error}\n")
        except ANYTHING as error:
            self.fail(error)

    async def _answer(self, status: int, headers: Headings, body: Any) -> None:
        """Send an answer that is more than a body."""
        carrier = self.carrier
        if not isinstance(body, WHOLE) and hasattr(body, "__aiter__"):
            await self._stream(status, headers, body)
            return
        if carrier.blocked:
            await carrier.writable()
        if not self.gone:
            carrier.transport.write(self._render(status, headers, body))
            carrier.answered()

    def _refuse(self, reason: str) -> None:
        """Say that it is the client's fault."""
        if not self.gone:
            self.carrier.transport.write(self._render(400, (), reason))
            self.carrier.answered()

    def _render(self, status: int, headers: Headings, body: Any) -> bytes:
        """A whole answer as bytes."""
        service = self.carrier.service
        data, content_type = encode(body)
        if service.draining and self.carrier.is_last():
            self.keep_alive = False
        if headers:
            self.start(status, fields_of(headers, content_type), service.date)
            return self.write(data, more=False)
        return self.whole(status, content_type, data, service.date)

    async def _stream(self, status: int, headers: Headings, pieces: Any) -> None:
        carrier = self.carrier
        if self.gone:
            raise asyncio.CancelledError
        self.start(status, fields_of(headers, TEXT), carrier.service.date)
        iterator = aiter(pieces)
        try:
            async for piece in iterator:
                await self._send(encode(piece)[0], more=True)
        finally:
            if hasattr(iterator, "aclose"):
                await iterator.aclose()
        await self._send(b"", more=False)
        carrier.answered()

    async def _send(self, data: bytes, more: bool) -> None:
        carrier = self.carrier
        if carrier.blocked:
            await carrier.writable()
        if self.gone:
            raise asyncio.CancelledError
        if carrier.service.draining and not self.sent and carrier.is_last():
            self.keep_alive = False
        written = self.write(data, more)
        carrier.transport.write(written)
        if more:
            await self.turn(written)
