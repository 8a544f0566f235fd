"""Forking: the one place in the primary where a child process begins."""

import gc
import importlib
import os
from functools import partial

from prefork.primary import priority
from prefork.wire import boundary, signalling
from prefork.wire.descriptors import close_others
from prefork.wire.estate import TemplateBirth, WorkerBirth


def fork(entry: str, birth: TemplateBirth | WorkerBirth) -> int:
    """Fork a child that runs *entry*, "module:function", with *birth*. Returns its pid.

    The entry is a name so that only the child imports it.
    """
    boundary.flush()
    with signalling.masked():
        pid = os.fork()
        if pid == 0:
            boundary.run_and_exit(partial(_become, entry, birth))
    return pid


def _become(entry: str, birth: TemplateBirth | WorkerBirth) -> int:
    signalling.forget()
    priority.be_scheduled_as_ever()
    os.setpgid(0, 0)  # not setsid: an orphaned group is continued by the kernel
    close_others(_inherited(birth))
    gc.freeze()  # the primary's objects are never freed here: their descriptors are closed
    module, _, name = entry.partition(":")
    code: int = getattr(importlib.import_module(module), name)(birth)
    return code


def _inherited(birth: TemplateBirth | WorkerBirth) -> list[int]:
    accepts = birth.estate.settings.policy == "shared"
    kept = [listener.fileno() for listener in birth.estate.listeners] if accepts else []
    kept.append(birth.channel.fileno())
    if isinstance(birth, WorkerBirth):
        kept.append(birth.handover.fileno())
    return kept
