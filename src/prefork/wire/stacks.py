"""What a worker is at: its requests, tasks and threads, as values, as bytes and as text."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

MOST_FRAMES = 50  # of a stack: the innermost
MOST_TASKS = 200
_END = b"\n"
_BIRTH = "/prefork/worker/entry.py"  # all below, in a stack, is how a worker came to be


def _is(text: str) -> msgspec.Meta:
    """Say what a field is; docs/reference/control-socket.md is made from these."""
    return msgspec.Meta(description=text)


class Frame(msgspec.Struct, frozen=True):
    """Where code stands."""

    file: Annotated[str, _is("its path")]
    line: Annotated[int, _is("its number")]
    function: Annotated[str, _is("with the class that it is of")]
    code: Annotated[str, _is("the line's text, where the file can be read")] = ""


class Stack(msgspec.Struct, frozen=True):
    """Of a thread, or of a task from its coroutine to what it waits for."""

    name: Annotated[str, _is("of the task or thread; of a request's task with method and path")]
    frames: Annotated[list[Frame], _is("the innermost last")]
    is_running: Annotated[
        bool, _is("whether the main thread is at this task: that one's stack goes on from it")
    ] = False


class Dump(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker tells, or what is told in its place."""

    requests: Annotated[list[str], _is("those in flight: method and path")] = []
    tasks: Annotated[list[Stack], _is("of asyncio")] = []
    more_tasks: Annotated[int, _is("how many were left out")] = 0
    threads: Annotated[list[Stack], _is("the main one last")] = []
    raw: Annotated[str, _is("by `faulthandler` instead, where no Python runs")] = ""
    missing: Annotated[str, _is("what is not there, and why")] = ""


class Answer(msgspec.Struct, frozen=True):
    """To an inquiry of that number."""

    number: int
    dump: Dump


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Answer)


def encode(answer: Answer) -> bytes:
    return _encoder.encode(answer) + _END


def find(said: bytes, number: int) -> Dump | None:
    """Find the answer to an inquiry in what was read: older ones, and other text, may be there."""
    for line in said.split(_END)[:-1]:
        try:
            answer = _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        if answer.number == number:
            return answer.dump
    return None


def trimmed(raw: str) -> str:
    """Leave out of what `faulthandler` says how the worker came to be, which is no news."""
    blocks = raw.strip().split("\n\n")
    return "\n\n".join(_trimmed(block.splitlines()) for block in blocks)


def _trimmed(block: list[str]) -> str:
    births = [number for number, line in enumerate(block) if _BIRTH in line]
    return "\n".join(block[: births[0]] if births else block)


def lines(dump: Dump) -> Iterator[str]:
    """Tell it line by line. The main thread is last, and its innermost frame: where it is now."""
    if dump.requests:
        yield f"requests in flight: {', '.join(dump.requests)}"
    for task in dump.tasks:
        state = "running in the main thread" if task.is_running else "waiting"
        yield from _stack(f"task {task.name}, {state}", task)
    if dump.more_tasks:
        yield f"and {dump.more_tasks} more tasks"
    for thread in dump.threads:
        yield from _stack(f"thread {thread.name}", thread)
    yield from dump.raw.splitlines()
    if dump.missing:
        yield dump.missing


def _stack(title: str, stack: Stack) -> Iterator[str]:
    yield f"{title}:"
    for frame in stack.frames:
        yield f'  File "{frame.file}", line {frame.line}, in {frame.function}'
        if frame.code:
            yield f"    {frame.code}"
