"""TLS between a socket and the protocol of its connection.

Not the event loop's own: its transport doesn't tell what a client has not taken yet, can't end the
writing alone, and counts the time of a goodbye from before the answer is written. Here a connection
ends by the same rules with TLS and without. ADR 14 has the figures.
"""

import asyncio
import ssl
from contextlib import suppress
from enum import Enum, auto
from typing import Any, cast

from prefork import log
from prefork.worker.flow import Flow

RECORD = 16384  # bytes: the largest (RFC 8446, section 5.1), so that each read takes a whole one


class State(Enum):
    SHAKING_HANDS = auto()
    OPEN = auto()
    SHUT = auto()  # nothing is encrypted or decrypted any more


SHAKING_HANDS, OPEN, SHUT = State  # a member is found through its metaclass: 0.1 µs each


class Tls(asyncio.Protocol, asyncio.Transport):
    """The protocol of a socket's transport, and the transport of a connection's protocol.

    The connection is a member of its service from the accept on: its deadline for the first head
    includes the handshake, and it is drained, cut and counted like any other.
    """

    __slots__ = (
        "_connection", "_incoming", "_is_at_eof", "_outgoing", "_session", "_state", "_transport",
    )  # fmt: skip

    def __init__(self, context: ssl.SSLContext, connection: Flow) -> None:
        connection.scheme = "https"
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._state = SHAKING_HANDS
        self._is_at_eof = False  # the client has said that it sends no more

    # What the socket's transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connection.connection_made(self)

    def data_received(self, data: bytes) -> None:
        if self._state is SHUT:  # what comes after our goodbye is counted, and not looked at
            self._connection.data_received(data)
            return
        if self._is_at_eof:
            return
        self._incoming.write(data)
        if self._state is SHAKING_HANDS:
            self._shake_hands()
        if self._incoming.pending and self._state is OPEN:
            self._decrypt()

    def eof_received(self) -> bool:
        """Also without a goodbye in TLS: HTTP says itself where a request ends."""
        return self._is_at_eof or bool(self._connection.eof_received())

    def connection_lost(self, error: Exception | None) -> None:
        self._state = SHUT
        self._connection.connection_lost(error)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    # What the connection's protocol calls.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt it, and give all of it to the socket's transport, which knows what is unsent."""
        if self._state is not OPEN or not data:
            return
        try:
            written = self._session.write(data)
            while written < len(data):  # a record at a time
                written += self._session.write(memoryview(data)[written:])
        except ssl.SSLError as error:
            self._break(error)
        else:
            self._flush()

    def write_eof(self) -> None:
        """Say goodbye when all is written; the client may still send (RFC 8446, section 6.1)."""
        self._say_goodbye()
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        """Say goodbye and close when all is written. The client's goodbye isn't waited for."""
        self._say_goodbye()
        self._transport.close()

    def abort(self) -> None:
        self._state = SHUT
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Take who follows: a WebSocket."""
        self._connection = cast(Flow, protocol)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (
            self._session if name == "ssl_object" else self._transport.get_extra_info(name, default)
        )

    # Between the two.

    def _shake_hands(self) -> None:
        try:
            self._session.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            log.debug("handshake_failed", client=self._connection.client, reason=_reason(error))
            self._flush()  # the alert that says why
            self._state = SHUT
            self._transport.close()
        else:
            self._state = OPEN
            self._flush()

    def _decrypt(self) -> None:
        """Pass on at once what came at once, as a transport without TLS does."""
        records, broken = [], None
        try:
            while self._incoming.pending and not self._is_at_eof:
                records.append(self._session.read(RECORD))
                self._is_at_eof = not records[-1]  # an empty one is the client's goodbye
        except ssl.SSLWantReadError:
            pass  # the last record has not arrived as a whole
        except ssl.SSLError as error:
            broken = error
        self._flush()  # the answer to a client that renews its keys
        data = records[0] if len(records) == 1 else b"".join(records)
        if data:
            self._connection.data_received(data)
        if broken is not None:
            self._break(broken)
        elif self._is_at_eof and not self._connection.eof_received():
            self.close()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    def _say_goodbye(self) -> None:
        if self._state is not OPEN:
            return
        self._state = SHUT
        with suppress(ssl.SSLError):  # that the client's is not here, or data is instead
            self._session.unwrap()
        self._flush()

    def _break(self, error: ssl.SSLError) -> None:
        """What came, or is to go, can't be protected any more."""
        log.debug("tls_broken", client=self._connection.client, reason=_reason(error))
        self.abort()


def _reason(error: ssl.SSLError) -> str:
    """In OpenSSL's words, without the place in its source."""
    return (error.reason or str(error)).lower().replace("_", " ")
