"""One life of a measured server: started, asked who serves, and ended with all it forked."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.servers import Server
from tests.support import processes
from tests.support.asking import ask
from tests.support.pacing import beats, think

REQUEST = b"GET /pid HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
BURST = 16  # connections at once: peers' kernels give many in a row to one worker
PATIENCE = 60.0  # seconds
ANSWER = 10.0  # seconds until a connection is taken for lost


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


async def who(port: int) -> int | None:
    """Return the pid that answers a connection; None where nobody does."""
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(ANSWER):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(REQUEST)
                return int((await reader.read()).rpartition(b"\r\n\r\n")[2].split()[0])
            except (ValueError, IndexError):
                return None
            finally:
                writer.close()
    return None


async def burst(port: int, size: int = BURST) -> set[int]:
    pids = await asyncio.gather(*(who(port) for _ in range(size)))
    return {pid for pid in pids if pid}


class Trial:
    """A running server. Times are seconds from its exec."""

    def __init__(self, server: Server, *, core: int | None = None, log: Path | None = None) -> None:
        self.port = free_port()
        self._server = server
        pin = [] if core is None else ["taskset", "-c", str(core)]
        self.started = time.monotonic()
        with ExitStack() as opened:
            told = None if log is None else opened.enter_context(log.open("wb"))
            self._process = subprocess.Popen(
                [*pin, *server.command(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=told or subprocess.DEVNULL,
                stderr=told,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def until_serving(self, workers: int) -> set[int]:
        """Ask until *workers* different processes have answered; return their pids."""
        return asyncio.run(self._gather(workers, known=()))

    def serving(self) -> set[int]:
        """Return the pids that answer a burst of connections."""
        return asyncio.run(burst(self.port))

    def gathered(self, workers: int, patience: float) -> set[int]:
        """Ask until *workers* processes have answered, for so many seconds at most, or its end."""
        seen: set[int] = set()
        for _ in beats(0.1, patience):
            seen |= self.serving()
            if len(seen) >= workers or self.exit_code is not None:
                break
        return seen

    def until_answered(self) -> None:
        """Ask until there is an answer, whatever it says."""
        for _ in beats(0.02, PATIENCE):
            with suppress(ConnectionRefusedError):
                ask(self.port, "/")
                return

    def until_replaced(self, known: Sequence[int]) -> int:
        """Ask until somebody answers who is not *known*; return that pid."""
        (pid, *_) = asyncio.run(self._gather(1, known=known))
        return pid

    def retires(self, known: Collection[int], patience: float) -> bool:
        """Ask until others answer and none of *known*, for so many seconds at most."""
        for _ in beats(0.2, patience):
            answered = self.serving()
            if answered and answered.isdisjoint(known):
                return True
        return False

    def warm(self, requests: int) -> None:
        """Have every worker serve for a while, so that what is lazy has been done."""

        async def ask() -> None:
            for _ in range(requests // BURST):
                await burst(self.port)

        asyncio.run(ask())

    def reload(self) -> subprocess.Popen[str] | None:
        """Have it load its code anew; return the command that waits for the end, if there is one.

        Its output, standard error included, is a pipe.
        """
        if self._server.reload is None:
            self._process.send_signal(signal.SIGHUP)
            return None
        return subprocess.Popen(
            self._server.reload(self.port),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self, timeout: float) -> bool:
        """Wait for its end, *timeout* seconds at most; say whether it came."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        return self.exit_code is not None

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it lives."""
        return self._process.poll()

    def pss(self) -> int:
        """Return the bytes of memory of the whole tree, shared pages counted once in all."""
        return sum(map(processes.pss, [self.pid, *processes.descendants(self.pid)]))

    def cpu_seconds(self) -> float:
        """Return the processor time that the whole tree has used, user and system, all threads."""
        return sum(map(processes.cpu_seconds, [self.pid, *processes.descendants(self.pid)]))

    async def _gather(self, count: int, known: Sequence[int]) -> set[int]:
        seen: set[int] = set()
        async with asyncio.timeout(PATIENCE):
            while len(seen) < count:
                found = await burst(self.port)
                seen |= found - set(known)
                if not found:
                    await think(0.002)
        return seen

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        self.ended(10)
        for pid in processes.session(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
