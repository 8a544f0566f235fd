"""The part of a connection that meets an upgrade: it is ignored, or requests end with it.

llhttp pauses at every upgrade, so a request without one never comes here.
"""

from collections.abc import Callable

import httptools

from prefork.http import handshake
from prefork.http.backlog import Backlog, E
from prefork.http.errors import Refused
from prefork.http.rules import CODING, LENGTH, Field

Switch = Callable[[E], E]  # raises Refused for a handshake that can't be taken


class Upgrading(Backlog[E]):
    """Its heirs parse; *switch* makes of a WebSocket's handshake what is to be begun with it."""

    # fmt: off
    __slots__ = (
        "_detached", "_fields", "_notable", "_parser", "_switch", "_switched", "_target",
        "_unbegun", "in_head", "refusal",
    )
    # fmt: on

    _parser: httptools.HttpRequestParser

    def __init__(self, switch: Switch[E] | None) -> None:
        super().__init__()
        self._switch = switch  # None: a WebSocket is an upgrade like any other
        self._switched: E | None = None  # what arrives from now on is for this
        self._detached = b""  # tells a new parser of the body that llhttp skips at an upgrade
        self._fields: list[Field] = []
        self._notable: list[Field] = []
        self._target = b""
        self.refusal: Refused | None = None
        self._unbegun: E | None = None  # it was refused before anybody began it
        self.in_head = False  # a byte of a next request is in the parser

    def _stop(self, error: Exception) -> None:
        """Find out whose fault a failed parse is."""
        raise NotImplementedError

    def _detach(self, facts: dict[bytes, bytes]) -> None:
        """A body follows these headers, which ask for an upgrade too."""
        name = CODING if CODING in facts else LENGTH
        self._detached = b"POST / HTTP/1.1\r\n%b: %b\r\n\r\n" % (name, facts[name])

    def _upgrade(self, rest: memoryview) -> None:
        """Go on at an upgrade, which we may ignore (RFC 9110, section 7.8); *rest* follows it."""
        while not self._is_switched(rest) and (rest or self._detached) and not self.ended:
            try:
                if self._detached:
                    self._parser = httptools.HttpRequestParser(self)
                    self._parser.feed_data(self._detached)
                self._parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as pause:
                rest = rest[pause.args[0] :]
            except httptools.HttpParserError as error:
                self._stop(error)

    def _is_switched(self, rest: memoryview) -> bool:
        """Take a WebSocket's handshake, if that is what the latest request is."""
        if self._switch is None or self._detached or not handshake.is_begun_by(self.ready[-1]):
            return False
        self.ended = True
        try:
            self._switched = self._switch(self.ready[-1])
        except Refused as refusal:
            self.refusal = refusal
            self._unbegun = self.ready.pop()
            return True
        self.ready[-1] = self._switched
        self._pass_on(rest)
        return True

    def _pass_on(self, data: bytes | memoryview) -> None:
        if self._switched is not None:
            self._switched.store(bytes(data))

    def _rejoin(self) -> None:
        """The announcement was parsed; the body of the request before it follows."""
        self._detached = b""
        self.in_head = False
        self._fields, self._notable, self._target = [], [], b""
