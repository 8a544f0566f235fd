"""The lines of the control socket, as bytes and as values; both sides use it.

Newline-delimited JSON over an AF_UNIX stream socket. A request is one line, an answer is one line,
or two for a `stop` that waits: the first when it is accepted, the second when it is over.

    {"prefork": 1, "verb": "stop", "wait": true}
    {"prefork": 1, "ok": true, "result": {"state": "stopping"}}
    {"prefork": 1, "ok": true, "result": {"state": "stopped", "exit_code": 0}}
    {"prefork": 1, "ok": false, "error": "no such verb: stopp"}

Unknown fields are ignored on both sides, so that a field can be added without a new version.
"""

from typing import Any, Literal, get_args

import msgspec

from prefork.errors import ControlError, RemoteError

PROTOCOL_VERSION = 1
MAX_LINE = 4096  # bytes of a request with its newline; a longer one is not a request
MAX_ANSWER = 16 * 1024 * 1024  # bytes; 400 of them per worker leave room for 40,000 workers

Verb = Literal["stats", "stop"]
VERBS: tuple[Verb, ...] = get_args(Verb)


class Request(msgspec.Struct, frozen=True):
    """What a client asks for; *wait*: `stop` answers a second time when it is over."""

    verb: Verb
    wait: bool = False


class _RequestLine(msgspec.Struct):
    prefork: int
    verb: str
    wait: bool = False


class _AnswerLine(msgspec.Struct):
    prefork: int
    ok: bool
    result: dict[str, Any] | None = None
    error: str = ""


_requests = msgspec.json.Decoder(_RequestLine)
_answers = msgspec.json.Decoder(_AnswerLine)


def encode_request(request: Request) -> bytes:
    return _line(_RequestLine(PROTOCOL_VERSION, request.verb, request.wait))


def decode_request(line: bytes) -> Request:
    """Read a client's line, with or without its newline. Raises RemoteError."""
    if len(line) > MAX_LINE:
        raise RemoteError(f"a request has at most {MAX_LINE} bytes")
    try:
        said = _requests.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteError(f"not a request: {error}") from None
    if said.prefork != PROTOCOL_VERSION:
        raise RemoteError(_other_version(said.prefork))
    for verb in VERBS:
        if said.verb == verb:
            return Request(verb, said.wait)
    raise RemoteError(f"no such verb: {said.verb}")


def encode_result(result: dict[str, Any]) -> bytes:
    """Write the answer to a request that was understood."""
    return _line({"prefork": PROTOCOL_VERSION, "ok": True, "result": result})


def encode_error(reason: str) -> bytes:
    """Write the answer to a request that is refused."""
    return _line({"prefork": PROTOCOL_VERSION, "ok": False, "error": reason})


def decode_answer(line: bytes) -> dict[str, Any]:
    """Read an instance's line. Raises ControlError: refused; RemoteError: not an answer of ours."""
    try:
        said = _answers.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteError(f"not an answer: {error}") from None
    if said.prefork != PROTOCOL_VERSION:
        raise RemoteError(_other_version(said.prefork))
    if not said.ok:
        raise ControlError(said.error or "refused without a reason")
    if said.result is None:
        raise RemoteError("not an answer: it has no result")
    return said.result


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _other_version(version: int) -> str:
    return f"the other side speaks protocol {version}, this one {PROTOCOL_VERSION}"
