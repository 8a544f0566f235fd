"""An exchange with the task that answers it: what both interfaces have in common."""

import asyncio
from collections.abc import Iterable
from time import monotonic
from typing import Protocol

from prefork import log
from prefork.http.errors import FramingError
from prefork.http.exchange import Exchange
from prefork.http.rules import Field
from prefork.pool import refusal
from prefork.pool.errors import PoolFull
from prefork.wire.complaint import Complaint
from prefork.worker import stacks
from prefork.worker.address import Address
from prefork.worker.flow import Flow
from prefork.worker.service import COARSE, Service
from prefork.worker.tasks import Work
from prefork.worker.tracebacks import headline, own_traceback
from prefork.worker.waiters import Waiters

IN_VAIN = 100  # calls after the end; whoever heeds the disconnect has made one or two
TURN = 262144  # bytes of an answer; as much as uvloop reads at once

RETRY_AFTER = b"retry-after"
# One second is what such bursts last, and the shortest that can be said.
_LATER = ((b"content-type", b"text/plain; charset=utf-8"), (RETRY_AFTER, b"1"))

FAILURE = 500  # what a framework says of any exception
_full = Complaint("pool_full")


def put_off(status: int, headers: Iterable[Field]) -> tuple[int, Iterable[Field]]:
    """Say 503 where a framework made its own failure of what a full pool has refused.

    What says itself when to come again was answered by somebody who knew.
    """
    retry_after = refusal.of_current()
    if retry_after is None:
        return status, headers
    headers = list(headers)
    if any(name.lower() == RETRY_AFTER for name, _ in headers):
        return status, headers
    return 503, [*headers, (RETRY_AFTER, b"%d" % retry_after)]


class Carrier(Protocol):
    """What brings a cycle's answer to the client, as far as a cycle must know it."""

    service: Service
    transport: asyncio.Transport
    client: Address | None
    local: Address | None
    scheme: str
    origin: str  # of an access log, as are the next two: see `access_lines.Origin`
    told: list[Field] | None
    tail: str
    blocked: bool  # the client doesn't read; `writable` waits until it does

    async def writable(self) -> None: ...
    def is_last(self) -> bool: ...
    def relieve(self) -> None: ...
    def answered(self) -> None: ...
    def failed(self) -> None: ...
    def hand_to(self, successor: Flow) -> None: ...


class Cycle(Exchange):
    """One request from its head to the end of its task."""

    # fmt: off
    __slots__ = (
        "began", "carrier", "disconnected", "due", "ended", "gone", "lent", "task", "vain",
        "waiters",
    )
    # fmt: on

    began: float  # monotonic seconds, and so *ended*: only for an access log that is timed
    ended: float

    due: float  # when it has to be answered, as the service's `now` is; of that
    lent: float  # seconds were given by the application; only then it has this

    carrier: Carrier
    task: asyncio.Task[None] | None  # None in its first step, and where it needs no other
    disconnected: bool  # the client has finished sending, or what it sends is broken
    gone: bool  # nothing can be written to it any more
    waiters: Waiters | None  # for the body, or for the end

    def begin(self, carrier: Carrier, work: Work, eager: bool) -> None:
        """Start *work*, which sees to the answer. *eager*: with its first step, at once."""
        self.carrier = carrier
        if carrier.service.is_timed:
            self.began = monotonic()
        self.disconnected = self.gone = False
        self.waiters = None
        self.task = None
        tasks = carrier.service.tasks
        self.task = tasks.start(work) if eager else tasks.later(work)

    async def run(self) -> None:
        """Call the application and see the answer through."""
        raise NotImplementedError

    async def decline(self) -> None:
        """Answer in the application's place that it has too much to do: RFC 9110, 15.6.4."""
        carrier = self.carrier
        if carrier.blocked:
            await carrier.writable()
        if self.gone:
            return
        log.debug("request_declined", reason="too many requests in flight", client=carrier.client)
        if carrier.service.draining and carrier.is_last():
            self.keep_alive = False
        self.start(503, _LATER, carrier.service.date)
        carrier.transport.write(self.write(b"too many requests at a time\n", more=False))
        carrier.answered()

    def wake(self) -> None:
        """Something changed: body arrived, the client left, the answer is complete."""
        if self.waiters is not None:
            self.waiters.wake()

    def disconnect(self) -> None:
        """Nothing more will come from the client; an answer may still be written to it."""
        self.disconnected = True
        self.wake()

    def lose(self) -> None:
        """Nothing can be written any more."""
        self.gone = True
        self.disconnect()

    def cancel(self) -> None:
        """End the task: the answer is not wanted any more."""
        self.gone = self.disconnected = True
        if self.task is not None:
            self.task.cancel()

    def extend(self, seconds: float) -> None:
        """Have at least so many seconds from now on. Any thread may ask: the tick finds it."""
        more = self.carrier.service.now + COARSE + seconds - self.due
        if more > 0:
            self.lent = getattr(self, "lent", 0.0) + more
            self.due += more

    @property
    def started(self) -> float:
        """When it was begun, as the service's `now` was, where its time is limited."""
        return self.due - getattr(self, "lent", 0.0) - self.carrier.service.limits.request_timeout

    def end(self) -> None:
        """Its time is over: end what works at it, as far as that can be done."""
        self.cancel()

    def where(self) -> str:
        """Where its application is, as a traceback says it."""
        return stacks.of_task(self.task)

    @property
    def is_running(self) -> bool:
        """Whether anything still works at it."""
        return self.task is not None and not self.task.done()

    async def change(self) -> None:
        """Wait until something changed; the client is asked for the body if it waits for that."""
        interim = self.accept()
        if interim:
            self.carrier.transport.write(interim)
        self.carrier.relieve()
        if self.waiters is None:
            self.waiters = Waiters(self.carrier.service.loop)
        await self.waiters.wait()

    async def turn(self, data: bytes) -> None:
        """Let others run after a TURN's bytes, or none: an answer may be longer than patience.

        A piece that the kernel takes makes nobody wait, so an application that only sends would
        never let go, nor be told that its client is gone.
        """
        if self.carrier.blocked:
            return  # the next piece waits
        if not data or self.size % TURN < len(data):
            await asyncio.sleep(0)

    async def in_vain(self) -> None:
        """Let others run, and end an application that goes on and on after the end.

        Neither call waits for anything then: a loop around one would never let go of the worker.
        Raises FramingError where somebody may still wait for an answer.
        """
        self.vain = getattr(self, "vain", 0) + 1
        if self.vain > IN_VAIN and self.gone and self.task is not None:
            self.task.cancel()
        if self.vain > 1:
            await asyncio.sleep(0)
        if self.vain > IN_VAIN:
            raise FramingError("the application goes on receiving after the disconnect")

    def _say_full(self, full: PoolFull) -> None:
        """The pool has no room for what was wanted: answer so, where nothing is sent."""
        _full.tell(monotonic(), reason=str(full), path=self.path)
        if self.sent and not self.finished and not self.gone:
            self.carrier.failed()
            self.cancel()
        elif not self.sent and not self.gone:
            self.abandon()
            later = (_LATER[0], (RETRY_AFTER, b"%d" % full.retry_after))
            self.start(503, later, self.carrier.service.date)
            self.carrier.transport.write(self.write(b"the pool is full\n", more=False))
            self.carrier.answered()

    def fail(self, error: BaseException) -> None:
        """The application raised, or broke the rules: log it, and tell the client if possible."""
        if self.gone and isinstance(error, asyncio.CancelledError | GeneratorExit):
            return  # it was ended, not by its own doing
        if (full := refusal.found_in(error)) is not None:
            self._say_full(full)
            return
        level = log.warning if self.gone else log.error
        level(
            "request_failed",
            method=self.method,
            path=self.path,
            reason=headline(error),
            detail=own_traceback(error),
        )
        if not self.finished and not self.gone:
            self.carrier.failed()
