"""What a worker and the primary say to each other: messages, requests and their answers."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from prefork import log
from prefork.errors import RemoteError, RequestError
from prefork.wire.descriptors import Descriptor, close_all
from prefork.wire.letters import Kind, Letter
from prefork.wire.post import decode, encode, encode_reason
from prefork.worker.mailbox import Mailbox
from prefork.worker.tracebacks import headline, own_traceback
from prefork.worker.tray import Tray

FLUSH = 0.1  # seconds, at least, for handlers to end, and for what is unsent
_NUMBERS = 2**32 - 1  # of requests; 0 is none


class Correspondence:
    """Values in, values out; handlers are called in the loop."""

    def __init__(self) -> None:
        self.mailbox = Mailbox(self)
        self._messages = Tray(self._handled, self._relieve)
        self._requests = Tray(self._answer, self._relieve, self._refuse)
        self._asked: dict[int, asyncio.Future[Any]] = {}  # by number
        self._last = 0  # number

    def on_message(self, function: Callable[..., Any]) -> None:
        """Have *function* handle messages, those too that wait. Raises TypeError."""
        self._messages.handle_by(function)
        self.mailbox.soon(self._messages.work)

    def on_request(self, function: Callable[..., Any]) -> None:
        """Have *function* answer requests. Raises TypeError, and ValueError for a second one."""
        if self._requests:
            raise ValueError("requests have a handler already, and there can be one answer only")
        self._requests.handle_by(function)
        self.mailbox.soon(self._requests.work)

    def send(self, message: object, descriptors: Sequence[Descriptor] = ()) -> bool:
        """Send a message; see `Mailbox.send`. Raises TypeError and ValueError too."""
        return self.mailbox.send(Kind.MESSAGE, 0, encode(message), descriptors)

    async def request(self, message: object, descriptors: Sequence[Descriptor] = ()) -> Any:
        """Ask, and wait for the answer. Raises RequestError, and as `send`."""
        payload = encode(message)
        if self.mailbox.is_full:
            raise RequestError("it was not sent: too much is unsent, for the primary does not read")
        self._last = number = self._last % _NUMBERS + 1
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self.mailbox.send(Kind.REQUEST, number, payload, descriptors)
            if self.mailbox.is_shut:
                raise RequestError("the primary is not heard any more")
            return await future
        finally:
            del self._asked[number]

    async def finish(self, by: float) -> None:
        """Let handlers end, and what was sent arrive, at most until the loop's time *by*; close."""
        loop = asyncio.get_running_loop()
        by = max(by, loop.time() + FLUSH)
        running = self._messages.running | self._requests.running
        if running:
            await asyncio.wait(running, timeout=by - loop.time())
        await self.flush(by)
        self.mailbox.close()

    async def flush(self, by: float) -> None:
        """Let what was sent arrive, at most until the loop's time *by*."""
        if not await self.mailbox.flush(by):
            log.warning("messages_cut", reason="the primary did not take them by the deadline")

    # -- letters -------------------------------------------------------------

    def take(self, letter: Letter) -> None:
        """Raises RemoteError for one of no kind."""
        match letter.kind:
            case Kind.MESSAGE:
                self._messages.put(letter)
            case Kind.REQUEST:
                if not self._requests.put(letter):
                    self._refuse(letter, "no handler of requests is registered")
            case Kind.REPLY | Kind.FAILURE:
                self._resolve(letter)
            case kind:
                close_all(letter.descriptors)
                raise RemoteError(f"not a letter: kind {kind}")
        if self._is_jammed():
            self.mailbox.pause()

    def end(self) -> None:
        self._messages.close()
        self._requests.close()
        for future in self._asked.values():
            if not future.done():
                future.set_exception(RequestError("the primary is not heard any more"))

    def _resolve(self, letter: Letter) -> None:
        close_all(letter.descriptors)
        future = self._asked.get(letter.number)
        if future is None or future.done():
            return  # it came too late
        try:
            value = decode(letter.payload)
        except RemoteError as error:
            future.set_exception(RequestError(f"the answer can't be read: {error}"))
            return
        if letter.kind == Kind.REPLY:
            future.set_result(value)
        else:
            future.set_exception(RequestError(str(value)))

    def _is_jammed(self) -> bool:
        return self._messages.is_jammed or self._requests.is_jammed

    def _relieve(self) -> None:
        if not self._is_jammed():
            self.mailbox.resume()

    # -- handlers ------------------------------------------------------------

    def _handled(self, _letter: Letter, _result: Any, error: BaseException | None) -> None:
        if error is not None:
            self._report("message_handler_failed", error)

    def _answer(self, letter: Letter, result: Any, error: BaseException | None) -> None:
        if error is None:
            try:
                self.mailbox.send(Kind.REPLY, letter.number, encode(result))
                return
            except (TypeError, ValueError) as unfit:
                error = unfit
        self._report("request_handler_failed", error)
        self._refuse(letter, headline(error))

    def _refuse(self, letter: Letter, reason: str) -> None:
        self.mailbox.send(Kind.FAILURE, letter.number, encode_reason(reason))

    @staticmethod
    def _report(event: str, error: BaseException) -> None:
        log.error(event, reason=headline(error), detail=own_traceback(error))
