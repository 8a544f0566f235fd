"""What this worker is at, as seen by a thread beside its event loop."""

import asyncio
import faulthandler
import gc
import linecache
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any

from prefork.sink import has_room
from prefork.wire.inquiry import SIGNAL, Respondent
from prefork.wire.stacks import MOST_FRAMES, MOST_TASKS, Answer, Dump, Frame, Stack, encode
from prefork.worker import tasks
from prefork.worker.service import Member
from prefork.worker.tracebacks import OURS

LONGEST_LINE = 200  # characters of source
PATIENCE = 0.2  # seconds until the primary has read a part of an answer; then it has given up
_ENTRY = str(Path(OURS) / "worker" / "entry.py")  # all below it is how a worker came to be
_TASKS = tasks.__file__


class Witness:
    """Answers the primary's inquiries; the thread of the heartbeat calls it."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None  # None: it isn't there yet
        self.members: set[Member] = set()  # of the service: its connections

    def answer(self, respondent: Respondent) -> None:
        """Answer the latest inquiry, if there is one."""
        number = respondent.take()
        if number is None:
            return
        try:
            dump = self._dump()
        except Exception as error:  # noqa: BLE001 - told; the thread must live: it ends orphans
            dump = Dump(missing=f"the stacks could not be read: {error!r}")
        _write(respondent.answering, encode(Answer(number, dump)))

    def _dump(self) -> Dump:
        running = sorted(self._tasks(), key=lambda each: (not each.is_running, each.name))
        return Dump(
            requests=sorted(self._requests().values()),
            tasks=running[:MOST_TASKS],
            more_tasks=len(running[MOST_TASKS:]),
            threads=list(_threads()),
        )

    def _requests(self) -> dict[int, str]:
        """The requests in flight, by their tasks' ids."""
        found = {}
        for member in list(self.members):
            if (request := member.request) is not None:
                task = getattr(request, "task", None)  # None: its first step is being taken
                found[id(task)] = f"{request.method} {request.path}"
        return found

    def _tasks(self) -> Iterator[Stack]:
        if self.loop is None:
            return
        requests, current = self._requests(), asyncio.current_task(self.loop)
        for task in asyncio.all_tasks(self.loop):
            frames = list(_chain(task.get_coro()))
            is_ours = not frames or frames[0][0].co_filename == _ENTRY
            request = requests.get(id(None if task is current and not frames else task))
            name = f"{task.get_name()} ({request})" if request else task.get_name()
            if task is current:
                yield Stack(name, _shown(frames), is_running=True)
            elif not is_ours:
                yield Stack(name, _shown(frames))


def listen(respondent: Respondent) -> None:
    """Have a signal dump all threads' stacks too, even while something holds the interpreter."""
    if SIGNAL is not None:
        faulthandler.register(SIGNAL, file=respondent.answering, all_threads=True)


def _write(descriptor: int, data: bytes) -> None:
    """Write as long as it is being read."""
    with suppress(OSError):  # nobody reads, and nobody will
        while data and has_room(descriptor, PATIENCE):
            data = data[os.write(descriptor, data) :]


def _threads() -> Iterator[Stack]:
    """All threads but ours, the main one last."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    main, own = threading.main_thread().ident, threading.get_ident()
    stacks = sys._current_frames()
    for ident in sorted(stacks, key=lambda each: each == main):
        if ident != own:
            name = names.get(ident) or f"{ident:#x}"
            yield Stack(name, _shown(list(_below(stacks[ident]))))


def _below(frame: FrameType | None) -> Iterator[tuple[CodeType, int]]:
    """Give a thread's frames, the outermost first."""
    found = []
    while frame is not None:
        found.append((frame.f_code, frame.f_lineno or 0))
        frame = frame.f_back
    yield from reversed(found)


def _chain(awaitable: Any) -> Iterator[tuple[CodeType, int]]:
    """Follow a coroutine to what it waits for in the end."""
    while awaitable is not None:
        match awaitable:
            case CoroutineType():
                frame, inner = awaitable.cr_frame, awaitable.cr_await
            case GeneratorType():
                frame, inner = awaitable.gi_frame, awaitable.gi_yieldfrom
            case AsyncGeneratorType():
                frame, inner = awaitable.ag_frame, awaitable.ag_await
            case _:
                frame, inner = None, _hidden(awaitable)
        if frame is not None and frame.f_code.co_filename == _TASKS:
            # A request's task took its first step elsewhere; its frame knows what goes on.
            inner = inner if inner is not None else frame.f_locals.get("steps")
        elif frame is not None:
            yield frame.f_code, frame.f_lineno or 0
        awaitable = inner


def _hidden(awaitable: Any) -> Any:
    """What an iterator that has no attributes was made of: that of `__await__`, or of `asend`."""
    kinds = (CoroutineType, GeneratorType, AsyncGeneratorType)
    if isinstance(awaitable, asyncio.Future):
        return None
    return next((each for each in gc.get_referents(awaitable) if isinstance(each, kinds)), None)


def _shown(frames: list[tuple[CodeType, int]]) -> list[Frame]:
    """Leave out how the worker came to be, and our own code but for the innermost."""
    births = [n for n, (code, _) in enumerate(frames) if code.co_filename == _ENTRY]
    frames = frames[births[-1] + 1 :] if births and births[-1] + 1 < len(frames) else frames
    kept = [f for f in frames[:-1] if not f[0].co_filename.startswith(OURS)] + frames[-1:]
    return [_frame(code, line) for code, line in kept[-MOST_FRAMES:]]


def _frame(code: CodeType, line: int) -> Frame:
    text = linecache.getline(code.co_filename, line).strip()[:LONGEST_LINE]
    return Frame(code.co_filename, line, code.co_qualname, text)
