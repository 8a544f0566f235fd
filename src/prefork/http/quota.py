"""How many requests one connection may have."""

from typing import Generic

from prefork.http.backlog import E
from prefork.http.connection import Make
from prefork.http.errors import Refused
from prefork.http.rules import Field


class Quota(Generic[E]):
    """Makes a connection's exchanges; the last one that it may have ends it.

    In the place of the exchanges' class, so that without a limit nothing is counted.
    """

    __slots__ = ("_left", "_make")

    def __init__(self, make: Make[E], limit: int) -> None:
        self._make = make
        self._left = limit

    def __call__(  # noqa: PLR0913, PLR0917 - as an exchange is made
        self,
        method: str,
        path: str,
        raw_path: bytes,
        query_string: bytes,
        fields: list[Field],
        version: str,
        keep_alive: bool,
    ) -> E:
        if self._left == 0:  # the connection has ended; llhttp goes on with what it was fed
            raise Refused(503, "no more requests on this connection")
        self._left -= 1
        more = keep_alive and self._left > 0
        return self._make(method, path, raw_path, query_string, fields, version, more)
