"""WSGI (PEP 3333): a request that an application answers in a thread.

The thread builds the environ, calls the application and frames what it returns; bytes are written
in the loop's thread alone. Of an exchange the parser changes only the body, which the thread takes
when it is complete, or has taken for it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context, copy_context
from threading import Lock
from types import TracebackType
from typing import Any

from prefork import log
from prefork.http.errors import FramingError
from prefork.http.exchange import NONE
from prefork.http.rules import Field
from prefork.worker import stacks
from prefork.worker.cycle import FAILURE, Cycle, put_off
from prefork.worker.flow import HIGH_WATER
from prefork.worker.wsgi_environ import environ_of
from prefork.worker.wsgi_input import ClientGone, body_of

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class WsgiCycle(Cycle):
    """One request to a WSGI application. Names with `in_thread` are what the thread runs."""

    # fmt: off
    __slots__ = (
        "_context", "_is_called", "_passed", "_piece", "_thread", "_waiting", "_written",
    )
    # fmt: on

    _is_called: bool  # a thread has it
    _thread: asyncio.Future[None]  # done when it is
    _context: Context  # in which it runs: no request sees another's variables
    _passed: int  # bytes that the thread has passed to the loop, and
    _written: int  # that the loop has written; each is changed by one of them
    _piece: bytes  # of the body, on its way to the thread
    _waiting: asyncio.Task[None]  # in the thread's stead

    async def run(self) -> None:
        service = self.carrier.service
        assert service.threads is not None
        self._passed = self._written = 0
        self._is_called = False
        self._context = copy_context()
        self._thread = service.loop.create_future()
        service.threads.call(self._in_thread)
        await self._thread

    def end(self) -> None:
        """Nobody can end a thread: it finds out at its next call. What has none, is ended."""
        if self._is_called:
            self.lose()
        else:
            self.cancel()

    def where(self) -> str:
        """Where its thread is; before it has one it waits in a queue of ours."""
        return stacks.of_thread(WsgiCycle._in_thread.__code__, self) or super().where()

    # In the thread.

    def _in_thread(self) -> None:
        error = None
        self._is_called = True
        if not self.gone:
            try:
                self._context.run(self._answer)
            except BaseException as raised:  # noqa: BLE001 - the thread's boundary
                error = raised
        self._in_loop(self._end, error)

    def _answer(self) -> None:
        service = self.carrier.service
        pieces = service.call(environ_of(self, body_of(self)), self.start_response)
        try:
            if isinstance(pieces, list | tuple) and not self.sent:
                self._put(b"".join(pieces), more=False)
                return
            for piece in pieces:
                if piece or not isinstance(piece, bytes):  # PEP 3333: an empty one is no beginning
                    self._put(piece, more=True)
                    if self.framing is NONE:  # the client gets no more of it, however much it is
                        break
            if not self.finished:
                self._put(b"", more=False)
        finally:
            if hasattr(pieces, "close"):
                pieces.close()

    def start_response(
        self,
        status: str,
        headers: Iterable[tuple[str, str]],
        exc_info: ExcInfo | None = None,
    ) -> Callable[[bytes], None]:
        """Begin the answer; nothing is sent before its first byte.

        Raises FramingError where it could not be sent as it is; ClientGone, or what *exc_info*
        holds, where it is too late for this answer.
        """
        if exc_info is not None:
            try:
                if self.sent:
                    raise exc_info[1].with_traceback(exc_info[2])
                self.abandon()
            finally:
                exc_info = None  # PEP 3333: or the traceback would hold its own frame
        if self.gone and self.finished:
            raise ClientGone("it was answered in the application's place")
        code = code_of(status)
        fields: Iterable[Field] = fields_of(headers)
        if code == FAILURE:
            code, fields = put_off(code, fields)
        self.start(code, fields, self.carrier.service.date)
        return self._write

    def _write(self, piece: bytes) -> None:
        """What `start_response` returns."""
        self._put(piece, more=True)

    def _put(self, piece: bytes, *, more: bool) -> None:
        """Pass a piece on; then wait while the client is behind. Raises ClientGone, FramingError.

        The piece that fills the content-length is the last: the client has its answer, whatever the
        application goes on to do.
        """
        carrier = self.carrier
        if self.gone:
            raise ClientGone("the client left before its answer was complete")
        if self.parts is None and not self.sent:
            raise FramingError("start_response was not called")
        if not self.sent and carrier.service.draining and carrier.is_last():
            self.keep_alive = False
        if more and type(piece) is bytes and self.left == len(piece):
            more = False
        data = self.write(piece, more)
        self._passed += len(data)
        self._in_loop(self._deliver, data, not more)
        behind = self._passed - self._written
        if more and (carrier.blocked or behind > HIGH_WATER or not data):
            self._wait(carrier.writable)

    def wait_for_body(self) -> bytes:
        """Wait for a piece of the request's body; empty at its end. Raises ClientGone."""
        self._wait(self._arrive)
        piece, self._piece = self._piece, b""
        if not piece and not self.body_complete:
            raise ClientGone("the client left before its body was complete")
        return piece

    def _wait(self, condition: Callable[[], Coroutine[Any, Any, None]]) -> None:
        gate = Lock()
        gate.acquire()
        self._in_loop(self._watch, condition, gate)
        gate.acquire()

    def _in_loop(self, call: Callable[..., None], *arguments: Any) -> None:
        loop = self.carrier.service.loop
        try:
            loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            if not loop.is_closed():  # the worker didn't wait for us: the process ends
                raise
            raise SystemExit from None  # ends a thread in silence

    # In the loop's.

    def _watch(self, condition: Callable[[], Coroutine[Any, Any, None]], gate: Lock) -> None:
        self._waiting = self.carrier.service.loop.create_task(self._open(condition, gate))

    async def _open(self, condition: Callable[[], Coroutine[Any, Any, None]], gate: Lock) -> None:
        try:
            await condition()
        finally:
            gate.release()

    async def _arrive(self) -> None:
        while not (self.buffer or self.body_complete or self.disconnected or self.finished):
            await self.change()
        self._piece = self.take()

    def _deliver(self, data: bytes, last: bool) -> None:
        self._written += len(data)
        if not self.gone:
            self.carrier.transport.write(data)
            if last:
                self.carrier.answered()

    def _end(self, error: BaseException | None) -> None:
        service = self.carrier.service
        assert service.threads is not None
        service.threads.done()
        if isinstance(error, ClientGone):
            log.debug("request_given_up", method=self.method, path=self.path, reason=str(error))
            if not self.finished and not self.gone:
                self.carrier.failed()
        elif error is not None:
            self.fail(error)
        if not self._thread.done():  # it is cancelled where nobody waits any more
            self._thread.set_result(None)


def code_of(status: str) -> int:
    """The number of a status line as "404 Not Found". Raises FramingError."""
    try:
        code, _, _ = status.partition(" ")
        return int(code)
    except (AttributeError, TypeError, ValueError):
        raise FramingError(f'{status!r} is no status; write it as "200 OK"') from None


def fields_of(headers: Iterable[tuple[str, str]]) -> list[Field]:
    """The headers as bytes. Raises FramingError."""
    try:
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    except (AttributeError, TypeError, ValueError) as error:
        raise FramingError(f"headers must be pairs of str in latin-1: {error}") from None
