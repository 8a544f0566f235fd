"""Blocking requests by TLS, on connections whose session and certificate can be looked at."""

import http.client
import socket
import ssl
from contextlib import closing
from typing import cast

from tests.support.asking import TIMEOUT, Reply, take
from tests.support.certificates import HOST, client_context

Names = tuple[tuple[tuple[str, str], ...], ...]  # of a certificate's subject


class SecureCaller:
    """A connection that has shaken hands; *session*: of an earlier one, to go on with."""

    def __init__(
        self,
        port: int,
        context: ssl.SSLContext | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        context = context or client_context()
        plain = socket.create_connection((HOST, port), TIMEOUT)
        try:
            self.socket = context.wrap_socket(plain, server_hostname=HOST, session=session)
        except BaseException:
            plain.close()
            raise
        self._connection = http.client.HTTPConnection(HOST, port)
        self._connection.sock = self.socket

    def send(self, path: str, body: bytes | None = None) -> None:
        self._connection.request("GET" if body is None else "POST", path, body)

    def reply(self) -> Reply:
        return take(self._connection)

    def ask(self, path: str, body: bytes | None = None) -> Reply:
        self.send(path, body)
        return self.reply()

    @property
    def server(self) -> str:
        """The name in the certificate that the server has shown."""
        shown = self.socket.getpeercert()
        assert shown
        names = [pair for relative in cast(Names, shown["subject"]) for pair in relative]
        return dict(names)["commonName"]

    def close(self) -> None:
        self.socket.close()


def ask(port: int, path: str, body: bytes | None = None) -> Reply:
    """Ask once, on a connection of its own."""
    with closing(SecureCaller(port)) as caller:
        return caller.ask(path, body)
