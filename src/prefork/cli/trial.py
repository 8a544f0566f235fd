"""Importing the application in a child, to see whether it could be served."""

import json
import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from prefork.errors import AppError, SettingsError
from prefork.settings import environment
from prefork.settings.schema import Settings
from prefork.wire import boundary, lineage, signalling
from prefork.worker import remains

_READ = 65536
_BESIDE = ("on_starting", "when_ready")  # hooks that are not imported with the application


@dataclass(slots=True)
class Child:
    """The process that imports; *report* is where it says what it found."""

    report: int
    pid: int = 0
    status: int = 0  # its exit code, or minus the signal that killed it; once it was buried


def tried(settings: Settings) -> str:
    """Load it, with its hooks; return how it would be served.

    Raises AppError where it can't be, SettingsError where what they name can't be used.
    """
    with _child(settings) as child:
        found = json.loads(_read(child.report, settings) or b"{}")
    if not found:
        raise AppError(f"importing {settings.app} ended the process{_how(child.status)}")
    if "wrong" in found:
        raise SettingsError(found["wrong"])
    if "reason" in found:
        raise AppError(found["reason"], found["detail"])
    return _sentence(found["kind"], found["left"], settings.preload)


def _how(status: int) -> str:
    return f" with exit code {status}" if status >= 0 else f" by {signal.Signals(-status).name}"


def _sentence(kind: str, left: list[str], preload: str) -> str:
    """What `serve` would do with it."""
    if preload == "off":
        return f"{kind}, imported by each worker (--preload off)"
    if left and preload == "auto":
        return f"{kind}, imported by each worker: the import leaves {', '.join(left)}"
    return f"{kind}, imported once, workers are forked from it"


@contextmanager
def _child(settings: Settings) -> Iterator[Child]:
    """Fork it. At the end it is gone, and all it started, also where a signal ends this process."""
    reading, writing = os.pipe()
    child = Child(reading)
    boundary.flush()
    others, ours = remains.children(), os.getpid()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    lineage.adopt_orphans()
    try:
        with signalling.masked():
            child.pid = os.fork()
            if child.pid == 0:
                boundary.run_and_exit(partial(_try, settings, writing, ours))
        os.close(writing)
        yield child
    finally:
        os.close(reading)
        child.status = _bury(child.pid) if child.pid else 0
        for orphan in iter(lambda: next(iter(remains.children() - others), 0), 0):
            _bury(orphan)
        lineage.leave_orphans()
        signal.signal(signal.SIGTERM, before)


def _bury(pid: int) -> int:
    """Kill it, and its group if it leads one; return how it ended, which it may have before."""
    for number in (pid, -pid):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(number, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _read(report: int, settings: Settings) -> bytes:
    """One line, or less where the child ends before. Raises AppError where it takes too long."""
    said = b""
    while not said.endswith(b"\n"):
        if not _is_readable(report, settings.start_timeout):
            limit = f"{settings.start_timeout:g} s (--start-timeout)"
            raise AppError(f"{settings.app} was not imported within {limit}")
        piece = os.read(report, _READ)
        if not piece:
            return b""
        said += piece
    return said


def _is_readable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()  # select(2) has no room for a descriptor from 1024 on
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _try(settings: Settings, report: int, parent: int) -> int:
    signalling.forget()
    lineage.die_with(parent)
    os.setpgid(0, 0)
    os.register_at_fork(after_in_child=partial(_close, report))  # the end of it is the end of us
    said = json.dumps(_found(settings)).encode() + b"\n"
    boundary.flush()  # with the report we are told to go at once
    while said:
        said = said[os.write(report, said) :]
    return 0


def _close(descriptor: int) -> None:
    with suppress(OSError):  # the application has closed it
        os.close(descriptor)


def _found(settings: Settings) -> dict[str, Any]:
    from prefork.worker import credentials  # noqa: PLC0415 - the child's alone
    from prefork.worker.code import Code  # noqa: PLC0415
    from prefork.worker.hooks import Hook  # noqa: PLC0415

    environment.limit_blas_threads(1)  # as `serve` does, or their pools were taken for threads
    before = remains.open_descriptors()
    try:
        credentials.context(settings)
        code = Code.load(settings)
        left = remains.left_behind(before)
        for moment in _BESIDE:
            Hook.load(moment, getattr(settings, moment), settings.app_dir)
    except SettingsError as error:
        return {"wrong": str(error)}
    except AppError as error:
        return {"reason": str(error), "detail": error.detail}
    return {"kind": code.kind, "left": left}
