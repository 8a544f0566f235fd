"""The lines of the control socket, as bytes and as values; both sides use it.

Newline-delimited JSON over an AF_UNIX stream socket. A request is one line, an answer is one line;
a `stop` or `reload` that waits has more: the first when it is accepted, the last when it is over.

    {"prefork": 1, "verb": "stop", "wait": true}
    {"prefork": 1, "ok": true, "result": {"state": "stopping"}}
    {"prefork": 1, "ok": true, "result": {"state": "stopped", "exit_code": 0}}
    {"prefork": 1, "ok": false, "error": "no such verb: stopp"}

Unknown fields are ignored on both sides, so that a field can be added without a new version.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

from prefork.errors import ControlError, RemoteError

PROTOCOL_VERSION = 1
MAX_LINE = 4096  # bytes of a request with its newline; a longer one is not a request
MAX_ANSWER = 16 * 1024 * 1024  # bytes; 400 of them per worker leave room for 40,000 workers

Verb = Literal["stats", "dump", "reload", "scale", "stop", "memory"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Signature:
    """What a verb takes and answers; docs/reference/control-socket.md is made from this."""

    takes: str
    result: str


VERBS: dict[Verb, Signature] = {
    "stats": Signature("", "the object [below](#stats)"),
    "dump": Signature("`slot`, or nothing", "[what workers are at](#dump), once all have said it"),
    "reload": Signature(
        "`wait`",
        '`{"state": "running", "generation": 2}`, or `"queued"` where something else is being '
        "loaded; then [how it goes on](#reload)",
    ),
    "scale": Signature("`workers`, or `by`", '`{"workers": 5}`: how many it wants now'),
    "stop": Signature("`wait`", '`{"state": "stopping"}`; then the end'),
    "memory": Signature(
        "`key`, `bytes`",
        '`{"bytes": 8, "atomics": "libatomic"}`, and with it a descriptor of the [memory](#memory)',
    ),
}


class Request(msgspec.Struct, frozen=True):
    """What a client asks for; *wait*: `stop` and `reload` answer again until they are over.

    `scale` says how many *workers* it wants, or *by* how many more or, below zero, fewer.
    `dump` says of which *slot*, or means all. `memory` says of which *key*, and how many *bytes*.
    """

    verb: Verb
    wait: bool = False
    workers: int | None = None
    by: int | None = None
    slot: int | None = None
    key: str | None = None
    bytes: int | None = None


class _RequestLine(msgspec.Struct, omit_defaults=True):
    prefork: int
    verb: str
    wait: bool = False
    workers: int | None = None
    by: int | None = None
    slot: int | None = None
    key: str | None = None
    bytes: int | None = None


class _AnswerLine(msgspec.Struct):
    prefork: int
    ok: bool
    result: dict[str, Any] | None = None
    error: str = ""


_requests = msgspec.json.Decoder(_RequestLine)
_answers = msgspec.json.Decoder(_AnswerLine)


def encode_request(request: Request) -> bytes:
    return _line(_RequestLine(PROTOCOL_VERSION, **msgspec.structs.asdict(request)))


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
            fields = msgspec.structs.asdict(said)
            del fields["prefork"]
            return _checked(Request(**{**fields, "verb": verb}))
    raise RemoteError(f"no such verb: {said.verb}")


def _checked(request: Request) -> Request:
    if request.verb == "scale" and (request.workers is None) == (request.by is None):
        raise RemoteError('`scale` takes either "workers" or "by", a whole number')
    if request.verb == "memory" and (request.key is None or request.bytes is None):
        raise RemoteError('`memory` takes "key", a text, and "bytes", a whole number')
    return request


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


def shaped(name: str, answer: dict[str, Any], kind: type[T]) -> T:
    """Read a result as what it should be. Raises ControlError, naming the instance, if it isn't."""
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise ControlError(f"{name}: its answer is not understood: {error}") from None


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _other_version(version: int) -> str:
    return f"the other side speaks protocol {version}, this one {PROTOCOL_VERSION}"
