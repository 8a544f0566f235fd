"""What a WSGI application is told of a request: PEP 3333's environ."""

import io
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import prefork
from prefork.http.fields import LEARNED, LEARNED_BYTES

if TYPE_CHECKING:
    from prefork.worker.cycle import Cycle

Environ = dict[str, Any]

PERCENT = b"%"[0]
PORTS = {"http": "80", "https": "443"}

_APART = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}
KEYS: dict[bytes, str] = {}  # header name → key; "": it is left out


def common(root_path: str, threads: int) -> Environ:
    """What is the same for every request of a worker."""
    return {
        "SCRIPT_NAME": unquote_to_bytes(root_path).decode("latin-1"),
        "SERVER_SOFTWARE": f"prefork/{prefork.__version__}",
        "wsgi.version": (1, 0),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": threads > 1,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,  # a body ends by itself, also a chunked one
    }


def environ_of(cycle: "Cycle", body: io.BufferedIOBase) -> Environ:
    """The environ of one request, which the application may change."""
    carrier, path = cycle.carrier, cycle.raw_path
    client, scheme = cycle.forwarded or (carrier.client, carrier.scheme)
    server, port = carrier.local or ("", None)
    is_unix = port is None  # whose path is no name
    # Not of `cycle.path`: what is no UTF-8 is lost there.
    path = unquote_to_bytes(path) if PERCENT in path else path
    environ: Environ = {
        **carrier.service.environ,
        "REQUEST_METHOD": cycle.method,
        "PATH_INFO": path.decode("latin-1"),
        "QUERY_STRING": cycle.query_string.decode("latin-1"),
        "RAW_URI": cycle.target.decode("latin-1"),
        "SERVER_PROTOCOL": "HTTP/" + cycle.version,
        "SERVER_NAME": "localhost" if is_unix else server,
        "SERVER_PORT": PORTS[scheme] if is_unix else str(port),
        "REMOTE_ADDR": "" if client is None else client[0],
        "wsgi.url_scheme": scheme,
        "wsgi.input": body,
    }
    if client is not None:
        environ["REMOTE_PORT"] = str(client[1])
    for field, value in cycle.fields:
        key = KEYS.get(field)
        if key is None:
            key = _learn(field)
        if key in environ:
            between = "; " if key == "HTTP_COOKIE" else ","
            environ[key] += between + value.decode("latin-1")
        elif key:
            environ[key] = value.decode("latin-1")
    return environ


def _learn(field: bytes) -> str:
    """The key of a header; the most frequent are remembered, as many as a peer may fill.

    None with an underscore: X_User and X-User would have one key, and a proxy that takes X-User
    away from what clients send knows nothing of the other. nginx and gunicorn drop it too.
    """
    name = field.decode("latin-1")
    key = "" if "_" in name else "HTTP_" + name.upper().replace("-", "_")
    key = _APART.get(field, key)
    if len(field) <= LEARNED_BYTES:
        if len(KEYS) >= LEARNED:
            KEYS.clear()
        KEYS[field] = key
    return key
