"""A desk to which workers come to ask for listeners, and the answers that they are given."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.primary.desk import Desk, accept_all, connected

from prefork.core.facts import Fact
from prefork.primary.children import Child
from prefork.primary.openings import Openings
from prefork.settings.address import TcpAddress, UnixAddress
from prefork.wire.messages import FromPrimary, Listen, ListenFailed, Listening, Unlisten


class Counter(Desk):
    def __init__(self, policy: str, *, most: int = 0) -> None:
        super().__init__(policy, most=most, is_asked=True)
        self.openings = Openings(self.listeners, self.acceptor, self._say)
        self.answers: list[FromPrimary] = []
        self.owned: list[socket.socket] = []  # that came with the answers

    def _say(self, _child: Child, message: FromPrimary, given: list[int] | None) -> list[Fact]:
        self.answers.append(message)
        self.owned += [socket.socket(fileno=each) for each in given or []]
        return []

    def ask(self, child: Child, asked: Listen) -> Listening | ListenFailed:
        assert list(self.openings.heed(child, asked, self.now)) == []
        answer = self.answers[-1]
        assert isinstance(answer, Listening | ListenFailed)
        assert answer.ticket == asked.ticket
        return answer

    def listen(self, child: Child, port: int = 0, index: int = 0, host: str = "127.0.0.1") -> int:
        """Have the worker listen; return the number of the address."""
        answer = self.ask(child, Listen(len(self.answers), host, port, index=index))
        assert isinstance(answer, Listening), os.strerror(answer.errno)
        return answer.address

    def listen_at(self, child: Child, path: Path) -> int:
        answer = self.ask(child, Listen(len(self.answers), path=str(path)))
        assert isinstance(answer, Listening), os.strerror(answer.errno)
        return answer.address

    def refused(self, child: Child, asked: Listen) -> int:
        """Have it ask for what it can't have; return the errno."""
        answer = self.ask(child, asked)
        assert isinstance(answer, ListenFailed), answer
        return answer.errno

    def unlisten(self, child: Child, number: int) -> None:
        assert list(self.openings.heed(child, Unlisten(number), self.now)) == []

    def pass_time(self, seconds: float) -> None:
        """Let the loop's time pass, with a turn whenever something is to be tried again."""
        until = self.now + seconds
        while (due := self.openings.next_check()) is not None and due <= until:
            self.now = due
            assert list(self.openings.check(due)) == []
        self.now = until

    def accept_own(self, child: Child) -> int:
        """Accept all that waits where the worker does so itself, and answer each."""
        numbers = range(len(self.listeners.bound))
        serves = [each for each in numbers if self.acceptor.serves(child, each)]
        owned = [each for number in serves for each in self.acceptor.own(child, number, self.now)]
        return sum(map(accept_all, owned))

    def port(self, number: int) -> int:
        bound = self.listeners.bound[number]
        assert isinstance(bound, TcpAddress)
        return bound.port

    def come(self, number: int, count: int = 1, origin: str = "") -> None:
        """Connect to an address, and let the primary take what comes."""
        bound = self.listeners.bound[number]
        assert isinstance(bound, TcpAddress | UnixAddress)
        for _ in range(count):
            self.clients.append(connected(bound, origin))
        self.turn()

    def close(self) -> None:
        for each in self.owned:
            each.close()
        super().close()


@contextmanager
def counter_of(policy: str, *, most: int = 0) -> Iterator[Counter]:
    it = Counter(policy, most=most)
    try:
        yield it
    finally:
        it.close()
