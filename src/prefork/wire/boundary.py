"""The boundary of a forked child: what runs there never returns into its parent's code."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn


def run_and_exit(run: Callable[[], int]) -> NoReturn:
    """Run, report what it raises, flush, exit: whatever of that fails."""
    code = 1
    try:
        code = run() & 0xFF  # what a parent gets to see; `_exit` refuses what is no C int
    except BaseException:  # noqa: BLE001 - a process boundary: report everything, then leave
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            flush()
        finally:
            os._exit(code)


def flush() -> None:
    """Write out what is buffered, before a fork doubles it or an exit loses it."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed before we began
            with suppress(OSError, ValueError):  # whoever read it is gone
                stream.flush()
