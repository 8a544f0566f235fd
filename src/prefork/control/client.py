"""A command's end of the control socket: it blocks, but never longer than its timeout."""

import os
import socket
import struct
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prefork.control.directory import SUFFIX, Instance
from prefork.control.protocol import MAX_ANSWER, Request, decode_answer, encode_request
from prefork.errors import ControlError, RemoteError
from prefork.wire.channel import read
from prefork.wire.descriptors import close_all

TIMEOUT = 2.0  # seconds; a primary that turns answers within 0.1
CHUNK = 65536
_CREDENTIALS = struct.Struct("3i")  # unix(7), SO_PEERCRED: pid, uid, gid

Answer = dict[str, Any]  # the result, as protocol.py shows it


class Client:
    """One connection to the instance whose socket is *path*. Its methods raise ControlError."""

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout
        self._deadline: float | None = time.monotonic() + timeout  # None: as long as it takes
        self._received = bytearray()
        self._lent: list[int] = []  # descriptors that came with answers
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._limited()
            self._socket.connect(os.fspath(path))
        except OSError as error:
            self._socket.close()
            raise self._failure(error) from None
        self.pid = _peer(self._socket)  # of the primary; None where the system doesn't tell

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()
        close_all(self._lent)

    @property
    def name(self) -> str:
        """How a message calls the instance."""
        return self._path.name.removesuffix(SUFFIX)

    def send(self, request: Request) -> None:
        """Ask, without waiting for the answer; its timeout begins."""
        self._deadline = time.monotonic() + self._timeout
        try:
            self._limited()
            self._socket.sendall(encode_request(request))
        except OSError as error:
            raise self._failure(error) from None

    def receive(self) -> Answer:
        """Wait for the next answer until the timeout."""
        try:
            line = self._line()
        except OSError as error:
            raise self._failure(error) from None
        try:
            return decode_answer(line)
        except (ControlError, RemoteError) as error:
            raise ControlError(f"{self.name}: {error}") from None

    def receive_at_last(self) -> Answer:
        """Wait for the next answer for as long as the instance lives."""
        self._deadline = None
        return self.receive()

    def ask(self, request: Request) -> Answer:
        self.send(request)
        return self.receive()

    def borrowed(self) -> int | None:
        """Give the descriptor that came first and was not given yet; it is the caller's then."""
        return self._lent.pop(0) if self._lent else None

    def _line(self) -> bytes:
        chunk = bytes(self._received)
        while b"\n" not in chunk:
            self._limited()
            chunk, lent, _ = read(self._socket, CHUNK)
            self._lent += lent
            if not chunk:
                raise ControlError(f"{self.name} hung up without an answer")
            self._received += chunk
            if len(self._received) > MAX_ANSWER:
                raise ControlError(f"{self.name} answers without end")
        end = self._received.index(b"\n") + 1
        line = bytes(self._received[:end])
        del self._received[:end]
        return line

    def _limited(self) -> None:
        """Give the next system call what is left of the time; with none left it takes what has
        arrived: in a survey that may be an answer behind a silent instance."""
        if self._deadline is None:
            self._socket.settimeout(None)
        else:
            self._socket.settimeout(max(0.0, self._deadline - time.monotonic()))

    def _failure(self, error: OSError) -> ControlError:
        if isinstance(error, FileNotFoundError | ConnectionRefusedError):
            return ControlError(f"no instance called {self.name} is running")
        if isinstance(
            error, TimeoutError | BlockingIOError
        ):  # the latter: no time, or its backlog is full
            return ControlError(self._silence())
        return ControlError(f"{self._path}: {(error.strerror or str(error)).lower()}")

    def _silence(self) -> str:
        pid = _peer(self._socket) if self._socket.fileno() >= 0 else None
        who = f"{self.name} (pid {pid})" if pid else self.name
        return f"{who} did not answer within {self._timeout:g} s; is it stopped or stuck?"


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of asking one instance; no answer: it is silent, or not of our kind."""

    name: str
    pid: int | None
    answer: Answer | None


def survey(instances: Iterable[Instance], timeout: float = TIMEOUT) -> list[Heard]:
    """Ask every instance for its stats at once; in all it takes no longer than the timeout."""
    asked = [(instance.name, _begin(instance, timeout)) for instance in instances]
    return [_end(name, client) for name, client in asked]


def _begin(instance: Instance, timeout: float) -> Client | None:
    try:
        client = Client(instance.path, timeout)
    except ControlError:
        return None
    with suppress(ControlError):  # then it has no answer either
        client.send(Request("stats"))
    return client


def _end(name: str, client: Client | None) -> Heard:
    if client is None:
        return Heard(name, None, None)
    with client:
        try:
            return Heard(name, client.pid, client.receive())
        except ControlError:
            return Heard(name, client.pid, None)


def _peer(connected: socket.socket) -> int | None:
    """The pid of who listens at the other end."""
    if sys.platform != "linux":
        return None
    try:
        data = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return None
    pid: int = _CREDENTIALS.unpack(data)[0]
    return pid or None
