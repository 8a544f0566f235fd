"""Where child processes begin."""

import gc
import importlib
import os
import socket
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from prefork.core.messages import Spawn, StartTemplate
from prefork.core.process import Role
from prefork.primary import priority
from prefork.primary.children import Child, Children
from prefork.wire import boundary, channel, handover, signalling
from prefork.wire.descriptors import close_others
from prefork.wire.estate import Estate, TemplateBirth, WorkerBirth


@dataclass(frozen=True, slots=True)
class Entries:
    """Where children begin, as "module:function": named here, imported only there."""

    template: str
    worker: str


class Nursery:
    """Makes children, with all that they and we need to speak. Raises OSError where it can't."""

    def __init__(self, entries: Entries, estate: Estate, children: Children) -> None:
        self._entries = entries
        self._estate = estate
        self._children = children

    def template(self, order: StartTemplate) -> Child:
        """Fork a template."""
        ours, theirs = channel.pair()
        with closing(theirs):
            child = self._enter(Role.TEMPLATE, order, ours)
            birth = TemplateBirth(
                self._estate, order.id, order.generation, order.loaded, child.line, theirs
            )
            child.pid = fork(self._entries.template, birth)
        return child

    def worker(self, order: Spawn) -> tuple[Child, list[int]]:
        """Fork a worker where it has no template; else return what the template is to be sent."""
        ours, theirs = channel.pair()
        with closing(theirs):
            child = self._enter(Role.WORKER, order, ours)
            child.slot, child.template = order.slot, order.template
            child.handover, child.kept = handover.pair()
            if order.template is not None:
                return child, [os.dup(child.kept.fileno()), os.dup(theirs.fileno())]
            birth = WorkerBirth(
                self._estate,
                order.id,
                order.slot,
                order.generation,
                child.line,
                theirs,
                child.kept,
            )
            child.pid = fork(self._entries.worker, birth)
        return child, []

    def _enter(self, role: Role, order: StartTemplate | Spawn, ours: socket.socket) -> Child:
        """Put a child on the list, with a clean line of the board."""
        try:
            line = self._children.take_line()
        except OSError:
            ours.close()
            raise
        self._estate.board.clear(line)
        child = Child(order.id, role, order.generation, line, channel.Channel(ours))
        self._children.add(child)
        return child


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
