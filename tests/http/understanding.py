"""What bytes were understood as, so that two ways to send them can be compared."""

from typing import Any

from tests.http.corpus import Seen
from tests.http.requests import parsed

SEEN = (
    *("method", "path", "raw_path", "query_string", "fields", "version", "keep_alive"),
    *("expects_continue", "body_complete"),
)


def outcome(pieces: list[bytes], **limits: Any) -> tuple[list[object], int | None, bool]:
    """All that can be said about what these bytes were understood as."""
    made = parsed(*pieces, **limits)
    exchanges = [{name: getattr(e, name) for name in SEEN} | {"body": e.take()} for e in made.ready]
    status = None if made.refusal is None else made.refusal.status
    return list(exchanges), status, made.in_head or made.in_body


def seen(data: bytes) -> tuple[list[Seen], int | None, bool]:
    """The requests, the status of a refusal, and whether the last is unfinished."""
    made = parsed(data)
    status = None if made.refusal is None else made.refusal.status
    requests = [(e.method, e.path, e.take()) for e in made.ready]
    return requests, status, made.in_head or made.in_body
