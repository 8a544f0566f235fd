"""What the primary's signal does to a script's worker while no event loop hears it."""

import os
import signal
import threading
from types import FrameType


def heed() -> None:
    """From now on, end on SIGTERM as `sys.exit(0)` does: `finally` and `atexit` are heeded.

    Not where the script has a handler of its own; and a thread but the main one can't say.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends it, whatever it does
    others = set(threading.enumerate()) - {threading.main_thread()}
    if not all(each.daemon for each in others):
        os.kill(os.getpid(), number)  # an exit would wait for them
    raise SystemExit(0)
