"""The two ways an exchange goes wrong: by the peer, or by the application."""

from prefork.errors import PreforkError, RemoteError


class Refused(RemoteError):  # noqa: N818 - a fact, like the messages of the core
    """The peer sent what we do not serve; it gets *status* and the connection is closed."""

    def __init__(self, status: int, reason: str, fields: bytes = b"") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.fields = fields  # header lines that belong to the answer, each after its CRLF


TOO_LATE = Refused(408, "the request did not arrive in time")
TOO_SLOW = Refused(408, "the body arrived too slowly")
STOPPING = Refused(503, "the server is stopping")


class FramingError(PreforkError):
    """The application's answer would break the stream. Nothing of it was written."""
