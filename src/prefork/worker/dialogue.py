"""An open WebSocket's connection: its bytes to and fro, and how it ends."""

from prefork.http.websocket import Closed, WebSocket
from prefork.worker.cycle import Cycle
from prefork.worker.flow import BUSY, CLOSED, ENDING, FOREVER, HIGH_WATER, LINGER, PARTING, Flow
from prefork.worker.service import Service

CLOSE_TIMEOUT = 10.0  # seconds for the client's word that it closes too; as websockets
AT_ONCE = 256  # events: a client that floods us must not have the worker to itself
OBJECT = 128  # bytes that a message takes beside its own, and its share of being handled
ABNORMAL = 1006  # RFC 6455, section 7.4.1: no close frame came
RESTART = (1012, "service restart")
UNHEARD = (1011, "keepalive ping timeout")


class Dialogue(Flow):
    """What a connection is from its handshake on.

    It parses ahead of the application, or a ping would wait behind a message; but not far.
    """

    # fmt: off
    __slots__ = (
        "_awaits", "_cycle", "_is_deaf", "_is_due", "_kept", "_messages", "_next_ping", "_socket",
        "_turns", "code", "reason",
    )
    # fmt: on

    def __init__(self, service: Service, cycle: Cycle, socket: WebSocket) -> None:
        super().__init__(service)
        self._cycle: Cycle | None = cycle
        self._socket = socket
        self._messages: list[str | bytes] = []  # for the application to take
        self._kept = 0  # bytes of these, with what an object has more
        self._turns = AT_ONCE  # events before others have their turn; -1: they are having it
        self._is_deaf = False  # the application closed: it takes nothing more
        self._is_due = False  # it is to be closed when its deadline comes
        self._awaits = False  # a sign of life was asked for
        self._next_ping = 0.0
        self.code = ABNORMAL  # with which it ended, and
        self.reason = ""

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed it."""
        return self._phase is BUSY

    @property
    def _may_wait(self) -> bool:
        """Whether the deadline is for the client's presence."""
        return self._phase is BUSY and not self._is_due

    async def writable(self) -> None:
        """Wait until the client reads again, or is gone."""
        await self._room()

    # What the application's cycle calls.

    def begin(self, opening: bytes, received: bytes) -> None:
        """Answer the handshake; *received* came after it."""
        self._phase = BUSY
        self.service.members.add(self)
        self.transport.write(opening)
        self._wait_for_ping()
        if self.service.draining:
            self.drain(0.0)
        self.data_received(received)

    def take(self) -> str | bytes | None:
        """The next message, if it is here."""
        if not self._messages:
            return None
        message = self._messages.pop(0)
        self._kept -= len(message) + OBJECT
        if self._held or self._socket.unparsed:
            self._pump()
        return message

    def say(self, message: object) -> None:
        """Send a message. Raises FramingError for what is none."""
        self.transport.write(self._socket.send(message))

    def close(self, code: int, reason: str) -> None:
        """Begin to close, unless that has begun. Raises FramingError."""
        if self._phase is BUSY:
            self._part(code, reason)
            self._is_deaf = True
            self._messages.clear()
            self._kept = 0
            self._pump()

    # What the event loop calls.

    def data_received(self, data: bytes) -> None:
        if self._phase is ENDING:
            self._discard(len(data))
            return
        if self._awaits:  # whatever comes, the client is there
            self._awaits = False
            self.deadline = self._next_ping
        self._socket.feed(data)
        self._pump()

    def eof_received(self) -> bool:
        self.at_eof = True
        if self._phase is not ENDING:
            self._close()
        self._lose()
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._phase = CLOSED
        super().resume_writing()
        self._pump()  # what was not looked at while the client didn't read
        self._lose()
        cycle, self._cycle = self._cycle, None
        if cycle is not None and cycle.task is not None:
            self.service.keep(cycle.task)
        self.service.members.discard(self)
        self.service.released()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._may_wait:
            self._unsent = self.transport.get_write_buffer_size()
            self.deadline = self.service.now + self.service.limits.send_timeout

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._may_wait:  # what the client takes shows that it is there
            self._awaits = False
            self._wait_for_ping()
        self._pump()

    # What the service calls.

    def expire(self) -> None:
        """The deadline passed."""
        if self._phase is ENDING:
            self._give_up()
        elif self._phase is PARTING and self._is_taking():
            return  # it has still to read what came before our close
        elif self._phase is PARTING:
            self._abort()
        elif self._is_due:
            self._part(*RESTART)
            self._pump()
        else:
            self._look_for_life()

    def drain(self, delay: float) -> None:
        """Be closed after *delay*. What the client sent until it knows is still for taking."""
        if self._phase is BUSY:
            self._is_due = True
            self._awaits = False
            self.deadline = self.service.now + delay

    def cut(self) -> int:
        """Give up. Return how many applications were still at it."""
        if self._phase is BUSY:
            self._part(*RESTART)
            self._close()
        else:
            self._abort()
        cycle = self._cycle
        assert cycle is not None
        is_running = cycle.task is not None and not cycle.task.done()
        cycle.cancel()
        return int(is_running)

    def _pump(self, turns: int = 0) -> None:
        """Parse until enough waits to be taken, or nothing more is here. *turns*: a new turn's."""
        is_over = self._phase not in {BUSY, PARTING}  # then no turn is asked for
        self._turns, socket = AT_ONCE if is_over else turns or self._turns, self._socket
        while self._kept < HIGH_WATER and not self.blocked and self._turns > 0:
            self._turns -= 1
            event = socket.event()
            if isinstance(event, Closed):
                self._end(event)
                return
            if event is None:
                break
            if not self._is_deaf:
                self._messages.append(event)
                self._kept += len(event) + OBJECT
        if self._phase is BUSY or self._phase is PARTING:
            self._go_on(socket)

    def _go_on(self, socket: WebSocket) -> None:
        """Write what the client is answered; read on where there is room, for that too."""
        if answers := socket.output():
            self.transport.write(answers)
        if self._turns == 0 or (self._turns > 0 and socket.is_interrupted):
            self._turns = -1
            self.service.loop.call_soon(self._pump, AT_ONCE)
        is_full = self._kept >= HIGH_WATER or self._turns < 0
        if self.blocked or (is_full and socket.unparsed > HIGH_WATER):
            self._hold()
        else:
            self._release()
        if self._messages and self._cycle is not None:
            self._cycle.wake()

    def _part(self, code: int, reason: str) -> None:
        """Say that we close; what then comes may be messages, and is at last the client's word."""
        self.transport.write(self._socket.close(code, reason))
        self.code, self.reason = code, reason
        self._phase, self._unsent = PARTING, FOREVER
        self.deadline = self.service.now + CLOSE_TIMEOUT

    def _end(self, closed: Closed) -> None:
        """The client closed, or broke the protocol."""
        if self._phase is not PARTING:
            self.code, self.reason = closed.code, closed.reason
        if self._phase is not CLOSED and self._phase is not ENDING:
            self.transport.write(self._socket.output())
            if closed.by_client:
                self._close()
            else:
                self._linger()
        self._lose()

    def _lose(self) -> None:
        if self._cycle is not None:
            self._cycle.lose()

    # Whether the client is there.

    def _wait_for_ping(self) -> None:
        interval = self.service.limits.websocket.ping_interval
        self.deadline = self.service.now + interval if interval else FOREVER

    def _look_for_life(self) -> None:
        """Ask, or see that there is no answer."""
        now, limits = self.service.now, self.service.limits.websocket
        if self.blocked:
            if not self._is_taking():
                self._abort()
        elif self._held:  # by the application, which doesn't receive: no answer could be seen
            self.deadline = now + limits.ping_timeout
        elif self._awaits:
            self.transport.write(self._socket.fail(*UNHEARD))
            self._close()
            self._unsent = 0
            self.deadline = now + LINGER
        else:
            self.transport.write(self._socket.ping())
            self._awaits = True
            self._next_ping = now + limits.ping_interval
            self.deadline = now + limits.ping_timeout
