"""Lines between workers and the pool processes of their generation, and the tickets of these.

The primary lays them, and never sees what goes over them.
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from prefork import log
from prefork.core.facts import Fact, Overgrown
from prefork.core.process import Role
from prefork.primary import mail
from prefork.primary.children import Child, Children
from prefork.wire import channel
from prefork.wire.board import Board, Field
from prefork.wire.complaint import Complaint
from prefork.wire.descriptors import close_all, duplicates
from prefork.wire.messages import Condemn, FromPrimary, PoolExit, PoolLine, Tickets, WorkerLine

TRY_AGAIN = 0.1  # seconds after which a line is laid that could not be
ANEW = 1.0  # seconds in which nobody gets all its lines twice: each costs descriptors

Say = Callable[[Child, FromPrimary, list[int] | None], list[Fact]]


@dataclass(slots=True, eq=False)
class Client:
    """A worker that wants lines."""

    worker: Child
    since: float  # when it asked
    lines: set[int] = field(default_factory=set)  # ids of the processes that it has one to
    known: set[int] = field(default_factory=set)  # likewise, or had one that it wants anew
    has_tickets: bool = False
    asks_again: bool = False

    def begin_anew(self, now: float) -> None:
        """Have nothing, as after the first time that it asked."""
        self.since, self.has_tickets, self.asks_again = now, False, False
        self.lines.clear()


class Pool:
    """What belongs to one generation."""

    def __init__(self) -> None:
        self.ready: dict[int, Child] = {}  # processes, by id
        self.clients: dict[int, Client] = {}  # by id of the worker
        self._pipe: tuple[int, int] | None = None

    @property
    def tickets(self) -> tuple[int, int]:
        """The pipe of the tickets: where it is read, and where it is written. Raises OSError."""
        if self._pipe is None:
            self._pipe = os.pipe()
            for each in self._pipe:
                os.set_blocking(each, False)
        return self._pipe

    def lacking(self, client: Client) -> list[Child]:
        """The processes to which it has no line."""
        return [each for id, each in self.ready.items() if id not in client.lines]

    def close(self) -> None:
        close_all(self._pipe or ())


class Pools:
    """Who has wanted lines gets one to each process of its generation that there will be.

    What is missing is laid once all that has just happened was heard: who has died was buried then,
    so that no pid of a process is another's.
    """

    def __init__(self, say: Say, children: Children, board: Board) -> None:
        self._say = say
        self._children = children
        self._board = board
        self._pools: dict[int, Pool] = {}  # by generation
        self._due: float | None = None  # None: nothing is missing
        self._trouble = Complaint("pool_line_not_laid")

    def tickets(self, generation: int) -> int:
        """Give the descriptor into which the generation's processes write. Raises OSError."""
        return self._pool(generation).tickets[1]

    def want(self, worker: Child, now: float) -> list[Fact]:
        """Hear that a worker wants lines; all of them anew, where it has asked before."""
        if worker.role is not Role.WORKER:
            return [mail.blame(worker, "asked for lines to the pool")]
        clients = self._pool(worker.generation).clients
        if client := clients.get(worker.id):
            client.asks_again = True
            self._look_at(client.since + ANEW)
        else:
            clients[worker.id] = Client(worker, now)
            self._look_at(now)
        return []

    def open(self, process: Child, now: float) -> None:
        """Hear that a process is ready."""
        self._pool(process.generation).ready[process.id] = process
        self._look_at(now)

    def bury(self, child: Child, status: int) -> list[Fact]:
        """Tell those who had a line to it. Its own of the board must still be as it was."""
        pool = self._pools.get(child.generation)
        if pool is None:
            return []
        facts: list[Fact] = []
        pool.clients.pop(child.id, None)
        if pool.ready.pop(child.id, None):
            task = self._board.line(child.line)[Field.TASK]
            exit = PoolExit(child.id, status, task, child.reason)
            for client in pool.clients.values():
                client.lines.discard(child.id)
                if child.id in client.known:
                    client.known.remove(child.id)
                    facts += self._say(client.worker, exit, None)
        self._forget_all_but(child)
        return facts

    def condemn(self, worker: Child, message: Condemn) -> list[Fact]:
        """Hear of a task that can't be made to end. Its process is killed while it runs that.

        Or nothing: one that is free, and has not even refused a task for so long, is stopped.
        """
        process = self._children.get(message.id)
        if process is None:
            return []  # it has gone meanwhile
        is_ours = process.role is Role.POOL and process.generation == worker.generation
        if worker.role is not Role.WORKER or not is_ours:
            return [mail.blame(worker, f"condemned {process}, which runs no tasks of its")]
        if self._board.line(process.line)[Field.TASK] not in (message.task, 0):
            return []  # it runs another's
        log.warning("task_condemned", **process.who, by=str(worker), reason=message.reason)
        return [Overgrown(process.id, message.reason)]

    def next_check(self) -> float | None:
        return self._due

    def check(self, now: float) -> Iterable[Fact]:
        """Lay what is missing, if it is time."""
        if self._due is None or now < self._due:
            return
        self._due = None
        for pool in list(self._pools.values()):  # a fact that is told may bring more
            for client in list(pool.clients.values()):
                yield from self._serve(pool, client, now)

    def _serve(self, pool: Pool, client: Client, now: float) -> Iterator[Fact]:
        """Give a worker what it lacks, or see to it that this is tried again."""
        if client.asks_again and now >= client.since + ANEW:
            client.begin_anew(now)
        elif client.asks_again:
            self._look_at(client.since + ANEW)
        lacking = pool.lacking(client)
        try:
            for process in lacking:
                if client.worker.channel.has_unsent or process.channel.has_unsent:
                    self._look_at(now + TRY_AGAIN)
                else:
                    yield from self._lay(client, process)
            if not client.has_tickets:  # afterwards: it may wait for them to know of all processes
                yield from self._say(client.worker, Tickets(), duplicates(pool.tickets[:1]))
                client.has_tickets = True
        except OSError as error:
            self._trouble.tell(now, **client.worker.who, reason=error.strerror)
            self._look_at(now + TRY_AGAIN)

    def _lay(self, client: Client, process: Child) -> list[Fact]:
        """Give both their ends; the process first, or a task could come before it knows of whom."""
        worker, pid = client.worker, process.pid
        assert pid is not None, "who is ready has said its pid"
        with ExitStack() as unsaid:
            given = _handle(pid)
            unsaid.callback(close_all, given)
            ours, theirs = channel.pair()
            given.insert(0, ours.detach())
            facts = self._say(process, WorkerLine(worker.id, worker.line), [theirs.detach()])
            unsaid.pop_all()
        slot = process.slot or 0
        line = PoolLine(process.id, slot, pid, process.line, has_handle=len(given) > 1)
        facts += self._say(worker, line, given)
        client.lines.add(process.id)
        client.known.add(process.id)
        return facts

    def _pool(self, generation: int) -> Pool:
        return self._pools.setdefault(generation, Pool())

    def _forget_all_but(self, dead: Child) -> None:
        """Forget generations of which nobody is left, once this one has gone."""
        roles = (Role.WORKER, Role.POOL)
        living = {
            each.generation for each in self._children if each.role in roles and each is not dead
        }
        for generation in self._pools.keys() - living:
            self._pools.pop(generation).close()

    def _look_at(self, when: float) -> None:
        self._due = when if self._due is None else min(self._due, when)


def _handle(pid: int) -> list[int]:
    """A pidfd, where there is such a thing. Raises OSError where no descriptor is free."""
    try:
        return [os.pidfd_open(pid)]
    except AttributeError:  # not Linux
        return []
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
        return []  # an old kernel, or a sandbox
