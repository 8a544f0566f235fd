"""Signals across a fork: blocked while it happens, back to their default actions in the child."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

CANCEL = signal.SIGUSR1  # to a pool process: look at your line, which nobody reads meanwhile
HANDLED = (
    signal.SIGCHLD,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


@contextmanager
def masked() -> Iterator[None]:
    """Block all signals: until it calls `forget`, a child shares its parent's wakeup pipe."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def forget() -> None:
    """In a child: give every signal its default action, then unblock all."""
    signal.set_wakeup_fd(-1)
    for number in HANDLED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def disregard(*numbers: signal.Signals) -> None:
    """Do nothing on these: by a handler, since SIG_IGN is inherited by programs started here."""
    for number in numbers:
        signal.signal(number, _nothing)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    return
