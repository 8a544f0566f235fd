"""Forking: the one place in the primary where a child process begins."""

import gc
import importlib
import os
import sys
from typing import NoReturn

from prefork.primary import priority
from prefork.wire import signalling
from prefork.wire.descriptors import close_others
from prefork.wire.estate import TemplateBirth, WorkerBirth


def fork(entry: str, birth: TemplateBirth | WorkerBirth) -> int:
    """Fork a child that runs *entry*, "module:function", with *birth*. Returns its pid.

    The entry is a name so that only the child imports it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with signalling.masked():
        pid = os.fork()
        if pid == 0:
            _become(entry, birth)
    return pid


def _become(entry: str, birth: TemplateBirth | WorkerBirth) -> NoReturn:
    """Whatever happens, the child must not run the primary's code."""
    code = 1
    try:
        signalling.forget()
        priority.be_scheduled_as_ever()
        os.setpgid(0, 0)  # not setsid: an orphaned group is continued by the kernel
        close_others(_inherited(birth))
        gc.freeze()  # the primary's objects are never freed here: their descriptors are closed
        module, _, name = entry.partition(":")
        code = getattr(importlib.import_module(module), name)(birth)
    except BaseException:  # noqa: BLE001 - a process boundary: report everything, then leave
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _inherited(birth: TemplateBirth | WorkerBirth) -> list[int]:
    accepts = birth.estate.settings.policy == "shared"
    kept = [listener.fileno() for listener in birth.estate.listeners] if accepts else []
    kept.append(birth.channel.fileno())
    if isinstance(birth, WorkerBirth):
        kept.append(birth.handover.fileno())
    return kept
