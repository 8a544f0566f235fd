"""Where code stands that is waiting: the chain of coroutines of a task, the frames of a thread."""

import asyncio
import gc
import sys
from collections.abc import Iterator
from traceback import StackSummary
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any

from prefork.worker.tasks import work_of
from prefork.worker.tracebacks import is_hidden

DEEPEST = 200  # frames; who waits for itself has no end
CHAINED = (CoroutineType, GeneratorType, AsyncGeneratorType, asyncio.Task)


def of_task(task: "asyncio.Task[None] | None") -> str:
    """Say where a task of a request is, down to what it awaits; empty: nowhere."""
    return _told([] if task is None else list(chain(task)))


def of_thread(code: CodeType, owner: object) -> str:
    """Say where the thread is in which *code* runs as a method of *owner*; empty: in none."""
    for frame in sys._current_frames().values():
        frames = list(inwards(frame))
        for depth, each in enumerate(frames):
            if each.f_code is code and each.f_locals.get("self") is owner:
                return _told(frames[depth + 1 :])
    return ""


def _told(frames: list[FrameType]) -> str:
    """The frames as a traceback has them, from the first that isn't ours."""
    summary = StackSummary.extract((frame, frame.f_lineno) for frame in frames)
    theirs = next((number for number, each in enumerate(summary) if not is_hidden(each)), 0)
    return "".join(StackSummary.from_list(list(summary)[theirs:]).format()).rstrip()


def inwards(frame: FrameType | None) -> Iterator[FrameType]:
    """A thread's frames from its innermost, the outermost first."""
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return reversed(found)


def chain(awaited: Any) -> Iterator[FrameType]:
    """The frames of what is awaited, and of what that awaits in its turn."""
    for _ in range(DEEPEST):
        frame = None
        match awaited:
            case asyncio.Task():
                awaited = work_of(awaited)
            case CoroutineType():
                frame, awaited = awaited.cr_frame, awaited.cr_await
            case GeneratorType():
                frame, awaited = awaited.gi_frame, awaited.gi_yieldfrom
            case AsyncGeneratorType():
                frame, awaited = awaited.ag_frame, awaited.ag_await
            case _:  # an iterator of one of these, which has no name for what it iterates over
                found = (each for each in gc.get_referents(awaited) if isinstance(each, CHAINED))
                awaited = next(found, None)
        if frame is not None:
            yield frame
        if awaited is None:
            return
