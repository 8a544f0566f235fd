"""What h11 understands bytes as: an HTTP/1.1 parser by other authors, in Python and strict."""

from typing import NamedTuple

import h11
from tests.http.requests import parsed

from prefork.http.rules import CODING, Field

LARGE = 1 << 20  # bytes; its limits are not compared to ours


class Request(NamedTuple):
    """One that was complete."""

    method: str
    target: bytes
    fields: list[Field]
    body: bytes
    version: str


class Understood(NamedTuple):
    """The complete requests, why what follows is refused, and whether something is incomplete."""

    requests: list[Request]
    refusal: str  # empty: nothing is
    unfinished: bool
    is_over: bool  # the connection: what follows is not looked at


def ours(data: bytes) -> Understood:
    """What we make of it."""
    made = parsed(data)
    requests = [
        Request(each.method, each.target, _plain(each.fields), each.take(), each.version)
        for each in made.ready
        if each.body_complete
    ]
    refusal = "" if made.refusal is None else made.refusal.reason
    return Understood(requests, refusal, made.in_head or made.in_body, made.ended)


def theirs(data: bytes) -> Understood:
    """What h11 makes of it, where each request is answered at once."""
    peer = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGE)
    peer.receive_data(data)
    found = Understood([], "", False, False)
    try:
        while _take(peer, found.requests):
            continue
    except h11.RemoteProtocolError as error:
        return found._replace(refusal=str(error))
    is_begun = peer.their_state is h11.SEND_BODY or bool(peer.trailing_data[0])
    is_over = peer.our_state is h11.MUST_CLOSE
    return found._replace(unfinished=is_begun and not is_over, is_over=is_over)


def _take(peer: h11.Connection, requests: list[Request]) -> bool:
    """Take one request; False: there is none, and won't be."""
    request, body = peer.next_event(), b""
    if not isinstance(request, h11.Request):
        return False
    while not isinstance(event := peer.next_event(), h11.EndOfMessage):
        if not isinstance(event, h11.Data):
            return False
        body += bytes(event.data)
    method, version = request.method.decode(), request.http_version.decode()
    fields = _plain([(bytes(name), bytes(value)) for name, value in request.headers])
    if method == "CONNECT":  # what follows is no HTTP to h11
        return False
    requests.append(Request(method, bytes(request.target), fields, body, version))
    peer.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
    peer.send(h11.EndOfMessage())
    if peer.our_state is h11.MUST_CLOSE:
        return False
    peer.start_next_cycle()
    return True


def _plain(fields: list[Field]) -> list[Field]:
    """h11 writes the coding in lower case."""
    return [(name, value.lower()) if name == CODING else (name, value) for name, value in fields]
