"""What this worker is at, as seen by a thread beside its event loop."""

import asyncio
import faulthandler
import linecache
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType

from prefork.sink import has_room
from prefork.wire.inquiry import SIGNAL, Respondent
from prefork.wire.stacks import MOST_FRAMES, MOST_TASKS, Answer, Dump, Frame, Stack, encode
from prefork.worker.service import Member
from prefork.worker.stacks import chain, inwards
from prefork.worker.tracebacks import OURS

LONGEST_LINE = 200  # characters of source
TRIES = 3  # the event loop goes on meanwhile, and a task that is looked at may end
PATIENCE = 0.2  # seconds until the primary has read a part of an answer; then it has given up
# All below these is how a worker came to be.
_COURSE = {str(Path(OURS) / "worker" / name) for name in ("entry.py", "script.py", "tenure.py")}


class Witness:
    """Answers the primary's inquiries; the thread of the heartbeat calls it."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None  # None: it isn't there yet
        self.members: list[set[Member]] = []  # of each service: its connections

    def forget(self, members: set[Member]) -> None:
        """Look at those no more. Empty sets are equal: which one it is counts."""
        self.members = [each for each in self.members if each is not members]

    def answer(self, respondent: Respondent) -> None:
        """Answer the latest inquiry, if there is one."""
        number = respondent.take()
        if number is None:
            return
        said = b""
        for _ in range(TRIES):
            try:
                said = encode(Answer(number, self._dump()))  # a name may be no text
                break
            except Exception as error:  # noqa: BLE001 - told; this thread must live: it ends orphans
                missing = f"the stacks could not be read: {error!r}"
                said = encode(Answer(number, Dump(missing=missing)))
        _write(respondent.answering, said)

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
        for member in [each for members in list(self.members) for each in list(members)]:
            if (request := member.request) is not None:
                task = getattr(request, "task", None)  # None: its first step is being taken
                found[id(task)] = f"{request.method} {request.path}"
        return found

    def _tasks(self) -> Iterator[Stack]:
        if self.loop is None:
            return
        requests, current = self._requests(), asyncio.current_task(self.loop)
        for task in asyncio.all_tasks(self.loop):
            frames = list(chain(task))
            is_ours = not frames or frames[0].f_code.co_filename in _COURSE
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
    found = sys._current_frames()
    for ident in sorted(found, key=lambda each: each == main):
        if ident != own:
            name = names.get(ident) or f"{ident:#x}"
            yield Stack(name, _shown(list(inwards(found[ident]))))


def _shown(frames: list[FrameType]) -> list[Frame]:
    """Leave out how the worker came to be, and our own code but for the innermost."""
    births = [n for n, each in enumerate(frames[:-1]) if each.f_code.co_filename in _COURSE]
    frames = frames[births[-1] + 1 :] if births else frames
    theirs = [each for each in frames[:-1] if not each.f_code.co_filename.startswith(OURS)]
    return [_frame(each) for each in [*theirs, *frames[-1:]][-MOST_FRAMES:]]


def _frame(frame: FrameType) -> Frame:
    code, line = frame.f_code, frame.f_lineno or 0
    text = linecache.getline(code.co_filename, line).strip()[:LONGEST_LINE]
    return Frame(code.co_filename, line, code.co_qualname, text)
