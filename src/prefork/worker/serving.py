"""One handler at one address of a script's worker, from its startup to its close."""

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

from prefork.wire.messages import Listen, Listening
from prefork.worker.door import Door
from prefork.worker.lifespan import Lifespan

EVERY_ADDRESS = "0.0.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What the user said of an address; *path* is a Unix socket's, and *mode* its file's.

    Raises TypeError: the primary must not be the first to find that a port is a text.
    """

    host: str = "127.0.0.1"
    port: int = 0
    path: str | Path | None = None
    backlog: int = 2048
    ipv6_only: bool = False
    mode: int | None = None
    max_connections: int | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value, wanted = getattr(self, each.name), each.type
            if not _is(value, wanted):
                named = getattr(wanted, "__name__", wanted)
                raise TypeError(f"{each.name} must be {named}, not {type(value).__name__}")

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Where":
        """Take the arguments of `listen`. Raises TypeError for one that it doesn't have, too."""
        known = [each.name for each in fields(cls)]
        if unknown := [name for name in said if name not in known]:
            raise TypeError(f"listen has no argument {unknown[0]!r}: there are {', '.join(known)}")
        return cls(**said)

    async def resolved(self) -> "Where":
        """Look up a name: the primary must not wait for that. Raises OSError."""
        if self.path is not None or self.host == "localhost":
            return self
        host = self.host or EVERY_ADDRESS
        try:
            socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
            host = str(found[0][4][0])
        return replace(self, host=host)

    def asked(self, ticket: int, index: int) -> Listen:
        """Word it for the primary, whose directory may be another."""
        path = "" if self.path is None else os.path.abspath(self.path)
        host, port = ("", 0) if path else (self.host, self.port)
        return Listen(ticket, host, port, path, index, self.backlog, self.ipv6_only, self.mode)


def _is(value: object, wanted: Any) -> bool:
    """Whether it is of that type; True is no number here."""
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


class House(Protocol):
    """Where it is one of several."""

    def forsake(self, serving: "Serving") -> None:
        """Have nothing more come to it."""

    def reopen(self, serving: "Serving") -> None:
        """Ask for its address again, unless that was done."""


class Serving:
    """What `listen` returns: one server of this worker.

    *address*: as the log writes it, "127.0.0.1:8000" or "unix:" and a path; *port*: the number, of
    a Unix socket 0.
    """

    def __init__(self, door: Door, lifespan: Lifespan, most: int | None, house: "House") -> None:
        """*most*: connections at the same time; None: any number."""
        self.door = door
        self.most = most
        self._lifespan = lifespan
        self._house = house
        self._end: asyncio.Task[None] | None = None
        self.is_open = False  # connections may come
        self.is_closing = False
        self.asked: Listen | None = None  # what the primary was asked for
        self.number: int | None = None  # of the address; None: it was never open
        self.family = 0
        self.address = ""
        self.port = 0
        self.listeners: Sequence[socket.socket] = ()  # those that this worker accepts from
        if most is not None:
            door.limit(most, self._shut)
            door.server.when_relieved(self._reopen)

    def __repr__(self) -> str:
        return f"<Serving {self.address} {self.door.server!r}>"

    def open(self, answer: Listening, listeners: Sequence[socket.socket]) -> None:
        """Be where the primary says."""
        self.is_open = True
        self.number, self.family = answer.address, answer.family
        self.address, self.listeners = answer.bound, listeners
        is_tcp = answer.family != socket.AF_UNIX
        self.port = int(answer.bound.rpartition(":")[2]) if is_tcp else 0

    @property
    def is_over(self) -> bool:
        return self._end is not None and self._end.done()

    async def close(self) -> None:
        """Take nothing more, finish what there is, shut the application down; return then.

        Other servers of this worker go on, and so do other workers at the same address.
        """
        if not self.is_closing:
            self.is_closing = True
            self._shut()
            self.door.server.start_drain()
        await self.ended()

    def _shut(self) -> None:
        """Have nothing more come here."""
        if self.is_open:
            self.is_open = False
            self._house.forsake(self)
            for each in self.listeners:
                each.close()

    def _reopen(self) -> None:
        """Have connections come again, where there is room."""
        is_waiting = self.number is not None and not self.is_open and not self.is_closing
        if is_waiting and self.door.room:
            self._house.reopen(self)

    async def ended(self) -> None:
        """Wait for the end, once it drains."""
        if self._end is None:
            self._end = asyncio.create_task(self._finish(), name=f"the end of {self.address}")
        await asyncio.shield(self._end)

    async def _finish(self) -> None:
        await self.door.server.drained
        await self._lifespan.shutdown()
        self.door.server.leave(0)
