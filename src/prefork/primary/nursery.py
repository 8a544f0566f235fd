"""Where child processes begin."""

import gc
import importlib
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial

from prefork.core.orders import Spawn, StartHub, StartTemplate
from prefork.core.process import Role
from prefork.primary import priority
from prefork.primary.children import Child, Children
from prefork.primary.listeners import Listener
from prefork.wire import boundary, channel, handover, inquiry, signalling
from prefork.wire.descriptors import close_others, duplicates
from prefork.wire.estate import (
    Birth,
    Estate,
    HubBirth,
    Launch,
    TemplateBirth,
    WorkerBirth,
    inherited,
)
from prefork.wire.inquiry import Respondent
from prefork.wire.messages import SpawnWorker


def fork(entry: str, birth: Birth) -> int:
    """Fork a child that runs *entry*, "module:function", with *birth*. Returns its pid.

    The entry is a name so that only the child imports it.
    """
    boundary.flush()
    with signalling.masked():
        pid = os.fork()
        if pid == 0:
            boundary.run_and_exit(partial(_become, entry, birth))
    return pid


class Nursery:
    """Makes children, with all that they and we need to speak. Raises OSError where it can't."""

    def __init__(
        self, estate: Estate, children: Children, fork: Callable[[str, Birth], int] = fork
    ) -> None:
        self._estate = estate
        self._children = children
        self._fork = fork

    def template(self, order: StartTemplate) -> Child:
        """Fork a template."""
        ours, theirs = channel.pair()
        with closing(theirs):
            child = self._enter(Role.TEMPLATE, order, ours)
            birth = TemplateBirth(
                self._estate, order.id, order.generation, order.loaded, child.line, theirs
            )
            child.pid = self._fork(self._estate.entries.template, birth)
        return child

    def hub(self, order: StartHub) -> Child:
        """Fork a hub."""
        ours, theirs = channel.pair()
        with closing(theirs):
            child = self._enter(Role.HUB, order, ours)
            birth = HubBirth(self._estate, order.id, theirs)
            child.pid = self._fork(self._estate.entries.hub, birth)
        return child

    def worker(
        self, order: Spawn, listeners: Sequence[Listener], launch: Launch | None = None
    ) -> Child:
        """Fork a worker, which becomes the program of *launch*, where there is one."""
        ours, theirs = channel.pair()
        with ExitStack() as opened:
            opened.enter_context(closing(theirs))
            child, receiving, respondent = self._enter_worker(order, ours)
            opened.enter_context(closing(respondent))
            birth = WorkerBirth(
                self._estate,
                order.id,
                order.slot,
                order.generation,
                child.line,
                theirs,
                receiving,
                tuple(each.sock for each in listeners),
                respondent,
                launch,
            )
            entries = self._estate.entries
            child.pid = self._fork(entries.script if launch else entries.worker, birth)
        return child

    def request(
        self, order: Spawn, listeners: Sequence[Listener]
    ) -> tuple[Child, SpawnWorker, list[int]]:
        """Make what a template needs to fork a worker: the message, and the descriptors with it."""
        ours, theirs = channel.pair()
        with ExitStack() as opened:
            opened.enter_context(closing(theirs))
            child, receiving, respondent = self._enter_worker(order, ours)
            opened.enter_context(closing(respondent))
            addresses = [each.address for each in listeners]
            message = SpawnWorker(order.id, order.slot, child.line, addresses)
            socks = [receiving, theirs, *(each.sock for each in listeners)]
            given = [each.fileno() for each in socks]
            return child, message, duplicates([*given[:2], *respondent.descriptors, *given[2:]])

    def _enter_worker(
        self, order: Spawn, ours: socket.socket
    ) -> tuple[Child, socket.socket, Respondent]:
        child = self._enter(Role.WORKER, order, ours)
        child.slot, child.template = order.slot, order.template
        child.handover, child.kept = handover.pair()
        child.inquirer, respondent = inquiry.pair()
        return child, child.kept, respondent

    def _enter(
        self, role: Role, order: StartTemplate | StartHub | Spawn, ours: socket.socket
    ) -> Child:
        """Put a child on the list, with a clean line of the board."""
        try:
            line = self._children.take_line()
        except OSError:
            ours.close()
            raise
        self._estate.board.clear(line)
        said = channel.Channel(ours, is_trusted=False)
        child = Child(order.id, role, order.generation, line, said)
        self._children.add(child)
        return child


def _become(entry: str, birth: Birth) -> int:
    signalling.forget()
    priority.be_scheduled_as_ever()
    os.setpgid(0, 0)  # not setsid: an orphaned group is continued by the kernel
    close_others(inherited(birth))
    gc.freeze()  # the primary's objects are never freed here: their descriptors are closed
    module, _, name = entry.partition(":")
    code: int = getattr(importlib.import_module(module), name)(birth)
    return code
