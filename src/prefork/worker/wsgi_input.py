"""The body of a request as a file that a thread reads, and waits for."""

import io
from collections.abc import Callable
from typing import Protocol


class ClientGone(ConnectionError):  # noqa: N818 - a fact, not a fault
    """The client left before its body was complete, or before its answer was."""


class Source(Protocol):
    """Where a body comes from."""

    body_complete: bool

    def take(self) -> bytes: ...
    def wait_for_body(self) -> bytes: ...


class Pieces(io.RawIOBase):
    """The pieces of a body, each fetched from the event loop's thread when it is needed."""

    def __init__(self, fetch: Callable[[], bytes]) -> None:
        self._fetch = fetch
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Say so to `BufferedReader`."""
        return True

    def readinto(self, into: "memoryview[int]") -> int:  # type: ignore[override]
        """Read what is there, at least a byte but at the end. Raises ClientGone."""
        if not self._rest:
            self._rest = memoryview(self._fetch())
        size = min(len(into), len(self._rest))
        into[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def body_of(source: Source) -> io.BufferedIOBase:
    """The file: `io` itself reads lines, and as much as it is asked for."""
    if source.body_complete:  # nothing is added to it any more
        return io.BytesIO(source.take())
    return io.BufferedReader(Pieces(source.wait_for_body))
