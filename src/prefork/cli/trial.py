"""Importing the application in a child, to see whether it could be served."""

import json
import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from prefork.errors import AppError
from prefork.settings.schema import Settings
from prefork.wire import boundary

_READ = 65536


def tried(settings: Settings) -> str:
    """Load it, with its hooks; return how it would be served. Raises AppError where it can't be."""
    with _child(settings) as report:
        found = json.loads(_read(report, settings.start_timeout) or b"{}")
    if not found:
        raise AppError("importing it ended the process")
    if "reason" in found:
        raise AppError(found["reason"], found["detail"])
    return _sentence(found["kind"], found["left"], settings.preload)


def _sentence(kind: str, left: list[str], preload: str) -> str:
    """What `serve` would do with it."""
    if preload == "off":
        return f"{kind}, imported by each worker (--preload off)"
    if left and preload == "auto":
        return f"{kind}, imported by each worker: the import leaves {', '.join(left)}"
    return f"{kind}, imported once, workers are forked from it"


@contextmanager
def _child(settings: Settings) -> Iterator[int]:
    """Fork it; give the descriptor of its report. At the end it is gone, and all it started."""
    reading, writing = os.pipe()
    boundary.flush()
    pid = os.fork()
    if pid == 0:
        boundary.run_and_exit(partial(_try, settings, writing))
    os.close(writing)
    try:
        yield reading
    finally:
        os.close(reading)
        for number in (pid, -pid):  # its group too, once it has one
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        os.waitpid(pid, 0)


def _read(report: int, timeout: float) -> bytes:
    """One line, or less where the child ends before. Raises AppError where it takes too long."""
    said = b""
    while not said.endswith(b"\n"):
        if not select.select([report], [], [], timeout)[0]:
            raise AppError(f"it was not imported within {timeout:g} s (--start-timeout)")
        piece = os.read(report, _READ)
        if not piece:
            return b""
        said += piece
    return said


def _try(settings: Settings, report: int) -> int:
    os.setpgid(0, 0)
    said = json.dumps(_found(settings)).encode() + b"\n"
    while said:
        said = said[os.write(report, said) :]
    return 0


def _found(settings: Settings) -> dict[str, Any]:
    from prefork.worker import remains  # noqa: PLC0415 - the child's alone
    from prefork.worker.code import Code  # noqa: PLC0415

    before = remains.open_descriptors()
    try:
        code = Code.load(settings)
    except AppError as error:
        return {"reason": str(error), "detail": error.detail}
    return {"kind": code.application.kind, "left": remains.left_behind(before)}
