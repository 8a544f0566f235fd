"""A WSGI application that is slow, or holds a thread until it is told to let go."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.apps import tell

Environ = dict[str, Any]


def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
    """Answer with the pid, or the scheme; below /hold only when the pipe named there was opened."""
    _, verb, *rest = environ["PATH_INFO"].split("/", 2)
    if verb == "hold":
        tell(f"holds {rest[0]}")
        Path("/", rest[0]).read_bytes()  # until somebody has opened the pipe, and closed it
        tell(f"lets go {rest[0]}")
    body = str(os.getpid()).encode()
    if verb == "scheme":
        body = environ["wsgi.url_scheme"].encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    yield body
