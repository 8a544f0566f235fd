"""How a connection ends, or a request on it: refused, failed, overdue, cut, or simply the last."""

from prefork import log
from prefork.http.canned import error_answer
from prefork.http.connection import Connection
from prefork.http.errors import STOPPING, TOO_LATE, TOO_SLOW, Refused
from prefork.http.exchange import Framing
from prefork.worker.cycle import Cycle
from prefork.worker.flow import BUSY, FOREVER, IDLE, Flow, Phase
from prefork.worker.pace import Pace
from prefork.worker.service import COARSE, DRAIN_IDLE, Service


class Ending(Flow):
    """The part of a connection that says no, or goodbye."""

    __slots__ = ("_cycle", "_pace", "connection")

    def __init__(self, service: Service, connection: Connection[Cycle]) -> None:
        super().__init__(service)
        self.connection = connection
        self._cycle: Cycle | None = None  # the latest; while BUSY, the one being answered
        self._pace: Pace | None = None  # of the latest body that was waited for

    def is_last(self) -> bool:
        """Whether nothing is queued and no byte of a next request is here."""
        return not self.connection.ready and not self.connection.in_head

    def answered(self) -> None:
        """The answer is complete."""
        raise NotImplementedError

    def failed(self) -> None:
        """The application failed before its answer was complete."""
        assert self._cycle is not None
        self._excuse(self._cycle, 500, b"Internal Server Error\n")

    def _excuse(self, cycle: Cycle, status: int, reason: bytes) -> None:
        """Answer in the application's place; what it has begun is cut, so that it can be seen."""
        if cycle.sent:
            self._over(cycle)
            if cycle.framing is Framing.CLOSE:  # only a reset tells the client that this isn't all
                self._reset()
            else:
                self._close()
            return
        cycle.abandon()
        if self.is_last() and self.service.draining:
            cycle.keep_alive = False
        content_type = b"text/plain; charset=utf-8"
        data = cycle.whole(status, content_type, reason, self.service.date)
        self.transport.write(data)
        self.answered()

    # What the service calls.

    def expire(self) -> None:
        """The deadline passed."""
        match self._phase:
            case Phase.IDLE if self.service.draining or not self._is_taking():
                self._linger()
            case Phase.IDLE:
                return  # its time begins when the answer is read
            case Phase.BUSY:
                self._hurry()
            case Phase.HEAD:
                self._refuse_next(TOO_LATE)
            case Phase.OPENING if self.connection.in_head:
                self._refuse_next(TOO_LATE)
            case Phase.OPENING:
                self._close()
            case _:
                self._give_up()

    def _due(self) -> float:
        """When the first of what a busy connection may wait for has taken too long.

        That is its deadline: whoever changes one of these sets it anew. A client that doesn't read
        can't be blamed for a body that the application then doesn't get.
        """
        cycle, pace = self._cycle, self._pace
        assert cycle is not None
        if self.blocked:
            return min(cycle.due, self._taken_by)
        return cycle.due if pace is None or pace.of is not cycle else min(cycle.due, pace.due)

    def _hurry(self) -> None:
        """Something has taken too long, unless it was given more time meanwhile."""
        cycle, now = self._cycle, self.service.now
        assert cycle is not None
        if cycle.due <= now:
            self._time_out(cycle)
        elif self._due() > now:
            self.deadline = self._due()
        elif self.blocked:
            self._cut_short(cycle)
        else:
            self._break_off(cycle, TOO_SLOW)

    def _time_out(self, cycle: Cycle) -> None:
        """The request has had its time. Whatever its application goes on to do, it is over."""
        self.service.overtime.note(cycle, cycle.started, self.service.now)
        cycle.end()
        self._pace, self._taken_by = None, FOREVER
        self._excuse(cycle, 504, b"the answer took too long\n")

    def _cut_short(self, cycle: Cycle) -> None:
        """The client hasn't read for too long what the application goes on to send."""
        if self._is_taking():
            self._taken_by = self.deadline
            self.deadline = self._due()
            return
        log.debug("answer_cut", reason="the client does not read", client=self.client)
        self._over(cycle)
        self._reset()

    def _await_body(self, cycle: Cycle) -> None:
        """The application waits for a body, which has to come at some pace."""
        rate = self.service.limits.body_rate
        if not rate:
            return
        pace = self._pace
        if pace is None or pace.of is not cycle:
            pace = self._pace = Pace(cycle, rate)
        pace.start(self.service.now)
        self.deadline = self._due()

    def _advance_body(self) -> None:
        """Something of a body arrived."""
        assert self._pace is not None
        self._pace.stop(self.service.now)
        if self._pace.of.body_complete:
            self._pace = None
        self.deadline = self._due()

    def _break_off(self, cycle: Cycle, refusal: Refused) -> None:
        """The body of a request that was begun is not to be had."""
        self._over(cycle, refusal)
        if cycle.sent:
            self._abort()
        else:
            self._refuse(refusal)

    def drain(self, delay: float) -> None:
        """Be closed when idle for DRAIN_IDLE and *delay*, or after the next answer."""
        if self._phase is IDLE:
            idle_since = self.deadline - self.service.limits.keepalive_timeout + COARSE
            self.deadline = max(idle_since + DRAIN_IDLE, self.service.now) + delay

    def cut(self) -> int:
        """Give up: 503 where no byte of the answer was sent. Return how many requests it cost."""
        if self._phase is not BUSY:
            self._abort()
            return 0
        cycle = self._cycle
        assert cycle is not None
        count = 1 + len(self.connection.ready)
        self._over(cycle, STOPPING)
        cycle.cancel()
        if cycle.sent:
            self._abort()
        else:
            self._tell(STOPPING)
            self._close()
        return count

    def _keep(self, cycle: Cycle) -> None:
        """Own the task of a cycle that is over, which may do something more."""
        if cycle.task is not None:
            self.service.keep(cycle.task)

    def _over(self, cycle: Cycle, instead: Refused | None = None) -> None:  # noqa: ARG002
        """Nothing more can be written for the latest request. *instead*: its client is told so."""
        if self._phase is BUSY:
            self.service.in_flight -= 1
            self._phase = IDLE
        self._pace = None  # it refers to a request, and that to us
        self._taken_by = FOREVER
        cycle.lose()
        self._keep(cycle)

    def _refuse_next(self, refusal: Refused) -> None:
        """What was to be the next request isn't begun."""
        self._refuse(refusal)

    def _refuse(self, refusal: Refused) -> None:
        status, reason = refusal.status, refusal.reason
        log.debug("request_refused", status=status, reason=reason, client=self.client)
        self._tell(refusal)
        self._linger()

    def _tell(self, refusal: Refused) -> None:
        self.transport.write(error_answer(refusal, self.service.date))

    def _end(self) -> None:
        """The last answer is written. Only a client that asked for it is simply left."""
        connection, service = self.connection, self.service
        is_ours = service.draining or service.limits.keepalive_requests > 0
        if connection.ended and connection.refusal is None and not is_ours:
            self._close()
        else:
            self._linger()
