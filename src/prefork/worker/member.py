"""This worker, as the application sees it: `cluster.worker`."""

import asyncio
import inspect
import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from prefork import log
from prefork.wire.descriptors import Descriptor
from prefork.wire.messages import POST
from prefork.worker.correspondence import Correspondence
from prefork.worker.link import Link
from prefork.worker.tracebacks import headline, own_traceback

UNBORN = (
    "no worker lives yet: the application is imported once for all of them; "
    "do this in the lifespan's startup, in a request, or later"
)
T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Identity:
    """Which worker it is: ids are never used again, slots are."""

    id: int
    slot: int
    generation: int


class Member:
    """One worker of the cluster, from within: a script's, or one of `prefork serve` or `Cluster`.

    It is there before the worker lives: a template imports the application once for all workers,
    and handlers may be registered then. Whatever else is wanted of it then is a RuntimeError. What
    is no coroutine may be called from any thread.
    """

    def __init__(self, identity: Identity | None = None) -> None:
        self._identity = identity
        self._letters = Correspondence()
        self._goodbyes: list[Callable[[], object]] = []
        self._link: Link | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()

    def be(self, identity: Identity) -> None:
        """Be this worker, from now on."""
        self._identity, self._pid = identity, os.getpid()

    def attach(self, loop: asyncio.AbstractEventLoop, link: Link) -> None:
        """Live in *loop*, which runs on this thread."""
        self._loop, self._link = loop, link
        link.stopped = self._say_goodbye
        link.lines[POST] = self._letters.mailbox.open
        self._letters.mailbox.attach(loop, link.say)

    async def finish(self, by: float) -> None:
        """Let handlers end, and what was sent arrive, at most until the loop's time *by*."""
        await self._letters.finish(by)

    async def detach(self, by: float) -> None:
        """Leave a loop that ends unasked; what was sent arrives, until its time *by*."""
        await self._letters.flush(by)
        self._letters.mailbox.detach()

    # -- who it is -----------------------------------------------------------

    @property
    def id(self) -> int:
        """The worker's number, which is never used again."""
        return self._self.id

    @property
    def slot(self) -> int:
        """The worker's place, from 0; that of one that has gone is its successor's."""
        return self._self.slot

    @property
    def generation(self) -> int:
        """How many times the code had been loaded anew, from 1."""
        return self._self.generation

    @property
    def pid(self) -> int:
        """The number of this process."""
        return os.getpid()

    @property
    def is_leader(self) -> bool:
        """Whether this worker is the one of all that leads; from any thread."""
        if self._link is None or not self._link.leads:
            return False
        return os.getpid() == self._pid  # else it is a copy that the leader has forked

    @property
    def _self(self) -> Identity:
        if self._identity is None:
            raise RuntimeError(UNBORN)
        return self._identity

    # -- messages ------------------------------------------------------------

    def on_message(self, function: Function) -> Function:
        """Have *function* called with each message of the primary's, in order; a decorator.

        With a second parameter it gets the descriptors too, as a list, and has to close them. It
        may be async. It is called in the worker's event loop. Raises TypeError for what can't be
        called so.
        """
        self._letters.on_message(function)
        return function

    def on_request(self, function: Function) -> Function:
        """Have *function* return the answer to each request of the primary's; a decorator.

        It is given the message, and may be async. Raises TypeError for what can't be called so, and
        ValueError where there is one already.
        """
        self._letters.on_request(function)
        return function

    def send(self, message: object, fds: Sequence[Descriptor] = ()) -> bool:
        """Send a message to the primary, with up to 253 descriptors, which stay the caller's.

        False: it was not taken, for the line is over or 16 MiB are unsent; or it was taken, and
        over 1 MiB is unsent: `await drain()` before you send more. From another thread than the
        loop's True says that it is queued. What is sent before the worker's event loop runs arrives
        when it does, or at the exit. Raises TypeError and ValueError for what can't be sent,
        and OSError for descriptors that are not open.
        """
        self._require_own()
        return self._letters.send(message, fds)

    async def request(
        self,
        message: object,
        timeout: float,  # noqa: ASYNC109 - as the primary has it, which has no event loop
        fds: Sequence[Descriptor] = (),
    ) -> Any:
        """Ask the primary; return its answer. *timeout*: seconds.

        Raises TimeoutError, RequestError where the primary's handler raised or there is none,
        RuntimeError where the worker's event loop does not run, and as `send` does.
        """
        self._require_own()
        _ = self._linked
        try:
            async with asyncio.timeout(timeout):
                return await self._letters.request(message, fds)
        except TimeoutError:
            raise TimeoutError(f"the primary did not answer within {timeout} s") from None

    async def drain(self) -> None:
        """Wait until there is room for more messages."""
        await self._letters.mailbox.drain()

    @property
    def is_unheard(self) -> bool:
        """Whether what was sent waits for an event loop."""
        mailbox = self._letters.mailbox
        return os.getpid() == self._pid and mailbox.has_unsent and not mailbox.is_shut

    def _require_own(self) -> None:
        """Raises RuntimeError in a process that is not this worker's."""
        if self._identity is None:
            raise RuntimeError(UNBORN)
        if os.getpid() != self._pid:
            raise RuntimeError("what a worker has forked has no line of its own to the primary")

    # -- life ----------------------------------------------------------------

    async def disconnect(self) -> None:
        """Leave the cluster: ask the primary to be stopped, and wait until it says so.

        The worker then finishes what it has, and exits.
        """
        link = self._linked
        link.leave()
        while link.stop_by is None:
            await link.until_told()

    def on_disconnect(self, function: Function) -> Function:
        """Have *function* called, without arguments, when this worker is told to go; a decorator.

        Whatever it has is finished after that. Raises TypeError.
        """
        if inspect.iscoroutinefunction(function):
            raise TypeError("on_disconnect takes a plain function: nobody would wait for another")
        self._goodbyes.append(function)
        return function

    def _say_goodbye(self) -> None:
        for each in self._goodbyes:
            try:
                each()
            except Exception as error:  # noqa: BLE001 - it is the application's code
                reason, detail = headline(error), own_traceback(error)
                log.error("handler_failed", on="disconnect", reason=reason, detail=detail)

    async def leader(self) -> None:
        """Wait until this worker leads.

        It leads until it is told to go, and from then on this never returns: it is cancelled when
        all else has ended. A script's worker that waits for this counts as ready, whether it
        listens or not.
        """
        link = self._linked
        link.count_in()
        while not link.leads:  # what was done may be undone before we turn
            await asyncio.shield(link.leading)

    def call(self, coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run a coroutine in the worker's event loop, from another thread; return its result.

        Raises what it raises, and TimeoutError after *timeout* seconds: it is cancelled then.
        """
        if self._loop is None or threading.get_ident() == self._letters.mailbox.thread:
            coroutine.close()
            raise RuntimeError("only threads of a worker that serves can wait for its event loop")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    @property
    def _linked(self) -> Link:
        if self._link is None:
            raise RuntimeError(
                "this worker's event loop does not run yet: in a script it is that of "
                "cluster.run(main), or one of your own after listen() or while wait()"
            )
        return self._link


current: Member | None = None  # of this process, where it is a worker's, or a template's
