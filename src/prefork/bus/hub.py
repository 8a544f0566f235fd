"""The hub: the process through which the workers of one instance publish to one another."""

import os
import selectors
import signal
import socket
import time

from setproctitle import setproctitle

from prefork import log
from prefork.bus.envelope import Gatherer
from prefork.bus.routing import Member, Router
from prefork.errors import RemoteError
from prefork.wire import lineage, signalling
from prefork.wire.channel import Channel
from prefork.wire.complaint import Complaint
from prefork.wire.estate import HubBirth
from prefork.wire.messages import Attach, Ready, Stop

READ = 256 * 1024  # bytes of one line in one turn, so that no line waits for long
SETTLING = 1.0  # seconds that a hub waits at its start for those who don't say what they subscribe


def main(birth: HubBirth) -> int:
    """Route until told to stop, or until the primary is gone. Returns the exit code."""
    lineage.die_with(birth.estate.primary)
    setproctitle(f"prefork: hub [{birth.estate.settings.app}]")
    signalling.disregard(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # workers may yet publish
    channel = Channel(birth.channel)
    channel.send(Ready(os.getpid()))
    return Hub(channel).run()


class Line:
    """A worker's line: its socket, what of it is not whole yet, what waits for room."""

    def __init__(self, sock: socket.socket, member: Member) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.member = member
        self.gatherer = Gatherer()
        self.unsent = memoryview(b"")
        self.slow = Complaint("bus_slow_receiver")
        self._dropped = 0  # as it was told of last

    def complain(self, now: float) -> None:
        """Name it in the log, if it has lost something since."""
        if self.member.dropped != self._dropped:
            self._dropped = self.member.dropped
            self.slow.tell(now, name=self.member.name, dropped=self._dropped)

    def write(self) -> bool:
        """Write what the kernel takes now; whether nothing is left. Raises OSError at its end."""
        while True:
            if not self.unsent:
                self.unsent = memoryview(self.member.take())
                if not self.unsent:
                    return True
            try:
                self.unsent = self.unsent[self.sock.send(self.unsent) :]
            except BlockingIOError:
                return False


class Hub:
    """One thread, one selector. It never waits for a worker."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._router = Router()
        self._lines: dict[Member, Line] = {}
        self._stop_by: float | None = None
        self._settle_by: float | None = None  # from the first line on; the primary may be late
        self._refusals = Complaint("bus_attach_failed", log.error)
        self._garbage = Complaint("bus_garbage", log.error)
        self._selector = selectors.DefaultSelector()
        self._selector.register(channel, selectors.EVENT_READ)

    def run(self) -> int:
        while True:
            touched: set[Member] = set()
            ready = [key.data for key, _ in self._selector.select(self._patience())]
            if None in ready:  # first: whoever greets may be one of many that were attached
                touched |= self._hear()
            for line in ready:
                touched |= set() if line is None else self._serve(line)
            touched |= self._settle(time.monotonic())
            self._flush(touched)
            if self._channel.is_ended:
                return 1
            if self._is_done(time.monotonic()):
                return 0

    def _is_done(self, now: float) -> bool:
        """Whether it was told to stop, and nobody is there any more, or it is time."""
        return self._stop_by is not None and (not self._lines or now >= self._stop_by)

    def _settle(self, now: float) -> set[Member]:
        """Wait no longer for those who don't say what they subscribe to, once it is time."""
        is_due = self._settle_by is not None and now >= self._settle_by
        return self._router.settle() if is_due and not self._router.is_settled else set()

    def _patience(self) -> float | None:
        """Seconds until there is something to do by ourselves."""
        settle_by = None if self._router.is_settled else self._settle_by
        due = [each for each in (settle_by, self._stop_by) if each is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _hear(self) -> set[Member]:
        touched: set[Member] = set()
        for message in self._channel.receive():
            match message:
                case Attach(name):
                    touched |= self._attach(name)
                case Stop(grace):
                    self._stop_by = time.monotonic() + grace
                case _:
                    raise RemoteError(f"the primary sent {message}")
        return touched

    def _attach(self, name: str) -> set[Member]:
        """Serve one more line. The one that its worker had before ends: it wants no two."""
        touched: set[Member] = set()
        for old in [each for each in self._lines.values() if each.member.name == name]:
            touched |= self._end(old)
        try:
            [descriptor] = self._channel.claim(1)
        except OSError as error:  # too many are open; the worker sees the end of its line
            self._refusals.tell(time.monotonic(), name=name, reason=error.strerror)
            return touched
        if self._settle_by is None:
            self._settle_by = time.monotonic() + SETTLING
        sock, member = socket.socket(fileno=descriptor), Member(name)
        line = self._lines[member] = Line(sock, member)
        self._router.add(member)
        self._selector.register(sock, selectors.EVENT_READ, line)
        return touched

    def _serve(self, line: Line) -> set[Member]:
        """Read a line, where there is something; returns for whom there is something now.

        Where there is none it has room again, and is its own concern.
        """
        if line.member not in self._lines:
            return set()  # ended in this turn
        try:
            data = line.sock.recv(READ)
        except BlockingIOError:
            return {line.member}
        except OSError:  # ECONNRESET: closed with our words unread
            data = b""
        try:
            if data:
                return self._router.heed(line.member, line.gatherer.feed(data))
        except RemoteError as error:
            self._garbage.tell(time.monotonic(), name=line.member.name, reason=str(error))
        return self._end(line)

    def _flush(self, touched: set[Member]) -> None:
        """Write to each what it has now, in one piece; the others hear who has ended by that."""
        while touched:
            lines = [self._lines[each] for each in touched if each in self._lines]
            ended = [line for line in lines if not self._write(line)]
            touched = set()
            for line in ended:
                touched |= self._end(line)

    def _write(self, line: Line) -> bool:
        """Whether it is still there."""
        try:
            is_empty = line.write()
        except OSError:
            return False
        events = selectors.EVENT_READ | (0 if is_empty else selectors.EVENT_WRITE)
        if self._selector.get_key(line.sock).events != events:
            self._selector.modify(line.sock, events, line)
        line.complain(time.monotonic())
        return True

    def _end(self, line: Line) -> set[Member]:
        self._selector.unregister(line.sock)
        line.sock.close()
        del self._lines[line.member]
        return set(self._router.remove(line.member))
