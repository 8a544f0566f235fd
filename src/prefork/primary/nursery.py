"""Where child processes begin."""

import gc
import importlib
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial

from prefork.core.orders import Spawn, SpawnPool, StartHub, StartTemplate
from prefork.core.process import Role
from prefork.memory import source
from prefork.primary import priority
from prefork.primary.children import Child, Children
from prefork.primary.listeners import Listener
from prefork.wire import boundary, channel, handover, inquiry, messages, signalling, timings
from prefork.wire.descriptors import close_others, duplicates
from prefork.wire.estate import (
    Birth,
    Estate,
    HubBirth,
    Launch,
    PoolBirth,
    TemplateBirth,
    WorkerBirth,
    inherited,
)
from prefork.wire.inquiry import Respondent
from prefork.wire.timings import Timings


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


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent to a template, that it may fork *child*."""

    child: Child
    message: messages.SpawnWorker | messages.SpawnPool
    descriptors: list[int]


class Nursery:
    """Makes children, with all that they and we need to speak. Raises OSError where it can't."""

    def __init__(
        self, estate: Estate, children: Children, fork: Callable[[str, Birth], int] = fork
    ) -> None:
        self._estate = estate
        self.children = children
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

    def request(self, order: Spawn, listeners: Sequence[Listener]) -> Request:
        """Make what a template needs to fork a worker."""
        ours, theirs = channel.pair()
        with ExitStack() as opened:
            opened.enter_context(closing(theirs))
            child, receiving, respondent = self._enter_worker(order, ours)
            opened.enter_context(closing(respondent))
            addresses = [each.address for each in listeners]
            message = messages.SpawnWorker(order.id, order.slot, child.line, addresses)
            socks = [receiving, theirs, *(each.sock for each in listeners)]
            given = [each.fileno() for each in socks]
            given = duplicates([*given[:2], *respondent.descriptors, *given[2:]])
            return Request(child, message, given)

    def pool(self, order: SpawnPool, tickets: int, now: float) -> Child:
        """Fork a pool process. *tickets*: the writing end of its generation's."""
        with ExitStack() as opened:
            child, theirs, memory = self._enter_pool(order, now, opened)
            birth = PoolBirth(
                self._estate,
                order.id,
                order.slot,
                order.generation,
                child.line,
                theirs,
                tickets,
                memory,
            )
            child.pid = self._fork(self._estate.entries.pool, birth)
        return child

    def request_pool(self, order: SpawnPool, tickets: int, now: float) -> Request:
        """Make what a template needs to fork a pool process."""
        with ExitStack() as opened:
            child, theirs, memory = self._enter_pool(order, now, opened)
            message = messages.SpawnPool(order.id, order.slot, child.line)
            return Request(child, message, duplicates([theirs, tickets, memory]))

    def guest(self, id: int, end: socket.socket) -> Child:
        """Count a script among the workers, which has started us. *end*: ours of the channel."""
        return self._enter(Role.WORKER, Spawn(id, 0, 1, None), end)

    def _enter_pool(
        self, order: SpawnPool, now: float, opened: ExitStack
    ) -> tuple[Child, socket.socket, int]:
        """Give its end of the channel too, and the memory of its timings: *opened* closes both."""
        ours, theirs = channel.pair()
        opened.enter_context(closing(theirs))
        child = self._enter(Role.POOL, order, ours)
        child.slot, child.template = order.slot, order.template
        memory = timings.make(int(now * 1e9))
        opened.callback(os.close, memory)
        child.timings = Timings.of(memory)
        return child, theirs, memory

    def _enter_worker(
        self, order: Spawn, ours: socket.socket
    ) -> tuple[Child, socket.socket, Respondent]:
        child = self._enter(Role.WORKER, order, ours)
        child.slot, child.template = order.slot, order.template
        child.handover, child.kept = handover.pair()
        child.inquirer, respondent = inquiry.pair()
        return child, child.kept, respondent

    def _enter(
        self, role: Role, order: StartTemplate | StartHub | Spawn | SpawnPool, ours: socket.socket
    ) -> Child:
        """Put a child on the list, with a clean line of the board."""
        try:
            line = self.children.take_line()
        except OSError:
            ours.close()
            raise
        self._estate.board.clear(line)
        said = channel.Channel(ours, is_trusted=False)
        child = Child(order.id, role, order.generation, line, said)
        self.children.add(child)
        return child


def _become(entry: str, birth: Birth) -> int:
    signalling.forget()
    priority.be_scheduled_as_ever()
    os.setpgid(0, 0)  # not setsid: an orphaned group is continued by the kernel
    close_others(inherited(birth))
    source.inherit(birth.estate.control)
    gc.freeze()  # the primary's objects are never freed here: their descriptors are closed
    module, _, name = entry.partition(":")
    code: int = getattr(importlib.import_module(module), name)(birth)
    return code
