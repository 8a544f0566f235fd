"""The child processes as the operating system knows them: pids, channels, hand-overs, lines."""

import errno
import heapq
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from prefork.core.process import Role
from prefork.wire.channel import Channel
from prefork.wire.inquiry import Inquirer
from prefork.wire.timings import Timings


@dataclass(slots=True)
class Child:
    """One child, from its making to its burial. *pid* is None until it is told."""

    id: int
    role: Role
    generation: int
    line: int  # of the board
    channel: Channel
    slot: int | None = None
    template: int | None = None  # id of the one that forks it
    pid: int | None = None
    handover: socket.socket | None = None  # the sending end
    kept: socket.socket | None = None  # a duplicate of the receiving end
    inquirer: Inquirer | None = None  # asks a worker what it is at
    timings: Timings | None = None  # of a pool process's tasks
    reason: str = ""  # why it was made to end, where its exit alone doesn't tell

    def __str__(self) -> str:
        return self.role.value if self.slot is None else f"{self.role.value} {self.slot}"

    @property
    def who(self) -> dict[str, object]:
        """Which it is, as the log says it."""
        slot: dict[str, object] = {} if self.slot is None else {"slot": self.slot}
        return slot | {"pid": self.pid, "generation": self.generation}

    def close(self) -> None:
        self.channel.close()
        for sock in (self.handover, self.kept):
            if sock is not None:
                sock.close()
        if self.inquirer is not None:
            self.inquirer.close()


class Children:
    """All of them, and the lines of the board that are free."""

    def __init__(self, lines: range) -> None:
        self._by_id: dict[int, Child] = {}
        self._free = list(lines)  # a heap: the lowest is used first

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._by_id.values()))

    def take_line(self) -> int:
        """Take a free line. Raises OSError where all are in use, by workers that don't end."""
        if not self._free:
            raise OSError(errno.EAGAIN, "no line of the board is free")
        return heapq.heappop(self._free)

    def add(self, child: Child) -> None:
        self._by_id[child.id] = child

    def remove(self, child: Child) -> None:
        """Forget it; its line may be used again, so it must have been reaped and cleared."""
        del self._by_id[child.id]
        heapq.heappush(self._free, child.line)

    def get(self, id: int) -> Child | None:
        return self._by_id.get(id)

    def by_pid(self, pid: int) -> Child | None:
        return next((child for child in self._by_id.values() if child.pid == pid), None)

    def templates(self) -> list[Child]:
        return [child for child in self if child.role is Role.TEMPLATE]
