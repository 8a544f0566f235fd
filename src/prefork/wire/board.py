"""The board: one line of shared memory per process, written without locks and read without asking.

Every field is eight bytes and has one writing thread. It is written only by assignment through a
`memoryview` cast to 'Q', which is a single store; `struct.pack_into` clears the bytes first, and
8-15 % of concurrent reads saw zeros.
"""

import mmap
import os

from prefork.wire.nameless import nameless_file


class Field:
    """What each number on a line means. The event loop's thread writes all but BEAT_THREAD.

    No enum: to find a member of one takes 0.1 µs, and a connection needs fifteen.
    """

    BEAT = 0  # time.monotonic_ns() of the last turn of the event loop's beat
    BEAT_THREAD = 1  # the same, from a thread: fresh while BEAT is stale means a blocked loop
    LOOP_LAG = 2  # nanoseconds by which the last beat came late
    CAPACITY = 3  # how many connections the process may have, as far as its descriptors reach
    RECEIVED = 4  # connections taken from the hand-over; stored at once
    ACCEPTED = 5  # connections ever taken, from the hand-over or a listener; stored at once
    CONNECTIONS = 6  # open connections; stored at once
    REQUESTS = 7  # requests whose answer is complete; copied once a second, and at each close
    IN_FLIGHT = 8  # requests begun and not answered; copied like REQUESTS
    BEAT_EVERY = 9  # nanoseconds from one beat to the next
    WAITING = 10  # primary's line only: 1 while it waits for a worker with room
    HANDED_BACK = 11  # connections given back, for workers that stay; stored before CONNECTIONS
    TASKS_WAITING = 12  # a worker's tasks that no pool process has taken yet; stored at once
    TASKS_RUNNING = 13  # a worker's tasks that one has; stored at once
    TASK = 14  # a pool process's line: the number of the task that runs, or 0; stored at once
    TASK_SINCE = 15  # time.monotonic_ns() of its begin
    OFFER = 17  # a pool process's line: the number of its offer that stands, or 0: it is not free
    TASKS = 16  # a pool process's tasks that have ended, whichever way

    # Words 40 to 55 are no numbers, but a text: `label` says which.


LINE_BYTES = 512  # one line never shares a cache line with another, and has room to grow
COUNTERS = (
    Field.ACCEPTED,
    Field.REQUESTS,
    Field.HANDED_BACK,
    Field.TASKS,
)  # these only grow, and outlive their process

Line = memoryview  # of 64 unsigned 64-bit numbers, indexed by Field


class Share:
    """One server's part of its worker's line: what is stored here is added to what others have."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._own = [0] * len(line)

    def __getitem__(self, field: int) -> int:
        return self._own[field]

    def __setitem__(self, field: int, value: int) -> None:
        self._line[field] += value - self._own[field]
        self._own[field] = value


class Board:
    """Shared memory for *lines* processes; inherited by fork, so made before the first one.

    A process that is executed maps it again, by the descriptor.
    """

    def __init__(self, lines: int, descriptor: int | None = None) -> None:
        size = lines * LINE_BYTES
        self._descriptor = nameless_file("board", size) if descriptor is None else descriptor
        self._memory = memoryview(mmap.mmap(self._descriptor, size)).cast("Q")
        self._words = LINE_BYTES // 8

    @classmethod
    def of(cls, descriptor: int) -> "Board":
        """Map the board that another process has made."""
        return cls(os.fstat(descriptor).st_size // LINE_BYTES, descriptor)

    def close(self) -> None:
        """Close the descriptor; what is mapped stays so while anybody looks at it."""
        os.close(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def __len__(self) -> int:
        return len(self._memory) // self._words

    def line(self, number: int) -> Line:
        """The line's 64 words, writable. Raises IndexError where there is no such line."""
        if not 0 <= number < len(self):
            raise IndexError(f"the board has {len(self)} lines, not a line {number}")
        return self._memory[number * self._words : (number + 1) * self._words]

    def clear(self, number: int) -> None:
        """Make every field of the line zero."""
        line = self.line(number)
        for word in range(self._words):
            line[word] = 0
