"""A hub as a process of its own, with the test as its primary.

python -m tests.support.hub DESCRIPTOR
"""

import os
import socket
import subprocess
import sys
from types import TracebackType
from typing import Self

from tests.support.journal import Journal
from tests.support.program import ROOT

from prefork import log
from prefork.bus import hub
from prefork.settings.schema import Settings
from prefork.wire import channel
from prefork.wire.board import Board
from prefork.wire.channel import Channel
from prefork.wire.estate import Entries, Estate, HubBirth
from prefork.wire.messages import Attach, Ready, Stop


class Hub:
    """It serves from the moment it is made until the context ends."""

    def __init__(self) -> None:
        self._lines: list[socket.socket] = []  # their ends
        ours, theirs = channel.pair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.hub", str(theirs.fileno())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        assert self._process.stderr is not None
        self.journal = Journal(os.dup(self._process.stderr.fileno()))
        self._process.stderr.close()
        ours.settimeout(20)
        assert ours.recv(1, socket.MSG_PEEK), self.journal.text
        self._channel = Channel(ours)
        assert self._channel.receive() == [Ready(self.pid)]

    @property
    def pid(self) -> int:
        return self._process.pid

    def attach(self, name: str) -> socket.socket:
        """Return a worker's end of a line, which the context closes, or whoever has it."""
        ours, theirs = socket.socketpair()
        self._lines.append(ours)
        self._channel.send(Attach(name), [theirs.detach()])
        return ours

    def stop(self, grace: float = 5.0) -> int:
        """Tell it to stop, and return its exit code."""
        self._channel.send(Stop(grace))
        return self._process.wait(grace + 5)

    def close(self) -> None:
        """Kill it, and show what it said."""
        self._process.kill()
        self._process.wait()
        self._channel.close()
        self.journal.ended()
        print(f"--- the hub said:\n{self.journal.text}")  # pytest shows it on failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()
        for each in self._lines:
            each.close()


def main() -> int:
    log.configure("info", "json")
    entries = Entries(*["nowhere"] * 5)
    estate = Estate(Settings(app="a:b"), 1, (), Board(1), os.getppid(), entries)
    return hub.main(HubBirth(estate, 1, socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    sys.exit(main())
