"""A child's standard output and standard error, through pipes to whoever tags their lines."""

import os
import socket
import sys

import msgspec

from prefork.wire.estate import Estate

STANDARD = (1, 2)
_LONGEST = 4096  # bytes of what comes with a pipe


class Origin(msgspec.Struct, frozen=True):
    """Who writes into a pipe, and in the place of which descriptor: 1 or 2."""

    tag: str
    descriptor: int


NOBODY = Origin("", 0)  # comes without a pipe, as the last
_decoder = msgspec.json.Decoder(Origin)


class Outlet:
    """This process's side. Without a desk in the estate it does nothing."""

    def __init__(self, estate: Estate, tag: str) -> None:
        self._desk = estate.output
        self._tag = tag

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What fails when nobody reads any more, so that `mend` is due."""
        return () if self._desk is None else STANDARD

    def open(self) -> None:
        """Put pipes in the place of standard output and standard error."""
        for descriptor in self.descriptors:
            self.mend(descriptor)
        for stream in (sys.stdout, sys.stderr) if self._desk else ():
            if stream is not None:
                stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]

    def mend(self, descriptor: int) -> None:
        """Put a new pipe in the place of one of them, and hand its other end in."""
        assert self._desk is not None
        reading, writing = os.pipe()
        try:
            said = msgspec.json.encode(Origin(self._tag, descriptor))
            socket.send_fds(self._desk.sending, [said], [reading])
            os.dup2(writing, descriptor)
        finally:
            os.close(reading)
            os.close(writing)


def finish(sock: socket.socket) -> None:
    """Tell whoever takes the pipes that no more will come. Raises OSError."""
    sock.send(msgspec.json.encode(NOBODY), socket.MSG_DONTWAIT)


def receive(sock: socket.socket) -> tuple[Origin, int | None] | None:
    """Take the next pipe that was handed in, or None in its place at the end; None: nothing new."""
    try:
        said, descriptors, _, _ = socket.recv_fds(sock, _LONGEST, 1)
    except BlockingIOError:
        return None
    return _decoder.decode(said), descriptors[0] if descriptors else None
