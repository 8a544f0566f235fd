"""Tasks run by threads of the worker itself: for work that releases the GIL, and copies nothing."""

import asyncio
import threading
import time
from collections import deque
from queue import SimpleQueue

from prefork import log
from prefork.pool.engine import Call, Task
from prefork.pool.engines.attempt import Attempt, Outcome
from prefork.pool.errors import PoolError, TaskTimeout
from prefork.pool.ledger import Ledger
from prefork.pool.pace import Pace

START_AGAIN = 1.0  # seconds after which a thread is tried again that the system did not have


class _Seat:
    """One of the pool's threads, or what is to come in its place."""

    def __init__(self) -> None:
        self.inbox: SimpleQueue[Attempt | None] = SimpleQueue()  # of the thread that is here
        self.bound: deque[Attempt] = deque()  # what this one alone is to run
        self.has: Attempt | None = None  # what it runs


class Threads:
    """An `Engine`. A thread whose task does not end is abandoned, and another takes its place."""

    def __init__(self, size: int, limit: int, grace: float) -> None:
        """*size*: threads. *limit*: how many tasks may wait. *grace*: seconds that a task has to
        end once it was told to. Raises PoolError where the system has not so many threads."""
        self._grace = grace
        self._loop = asyncio.get_running_loop()
        self._ledger: Ledger[Attempt] = Ledger(limit)
        self._attempts: dict[Task, Attempt] = {}  # those that wait, and those that run
        self.pace = Pace()
        self._all_ended = asyncio.Event()
        self._seats = [_Seat() for _ in range(size)]
        self._idle: list[_Seat] = []  # the latest comes first: its memory is warm
        try:
            for seat in self._seats:
                self._start(seat)
        except RuntimeError as error:
            self._dismiss()
            raise PoolError(f"there are no {size} threads for the pool: {error}") from None

    def __repr__(self) -> str:
        return f"<Threads {self.counts()}>"

    # -- what the front asks -------------------------------------------------

    def submit(self, task: Task) -> None:
        self._ledger.require_room(self.pace, len(self._seats))
        attempt = self._attempts[task] = Attempt(task, self._loop)
        self._ledger.add(attempt, task.priority)
        if self._idle:
            self._use(self._idle.pop())

    async def submit_to_all(self, call: Call, limit: float | None) -> list[Task]:
        bound = sum(len(seat.bound) for seat in self._seats)
        self._ledger.require_room(self.pace, len(self._seats), bound)
        tasks = [Task(call, self._loop.create_future(), limit) for _ in self._seats]
        for seat, task in zip(self._seats, tasks, strict=True):
            attempt = self._attempts[task] = Attempt(task, self._loop)
            seat.bound.append(attempt)
        idle, self._idle = self._idle, []
        for seat in idle:
            self._use(seat)
        return tasks

    def cancel(self, task: Task) -> None:
        attempt = self._attempts.get(task)
        if attempt is not None and attempt.begun:
            self._end(attempt, "was cancelled")
        elif attempt is not None:
            self._ledger.remove(attempt)
            self._forget(attempt)

    def took(self, task: Task, items: int) -> None:
        if task in self._attempts:
            self._attempts[task].took(items)

    def counts(self) -> dict[str, int]:
        running = sum(seat.has is not None for seat in self._seats)
        waiting = len(self._attempts) - running
        return {"size": len(self._seats), "waiting": waiting, "running": running}

    async def close(self) -> None:
        for task in list(self._attempts):
            self.cancel(task)
            task.fail(PoolError("the pool was closed"))
        if self._attempts:
            self._all_ended.clear()
            await self._all_ended.wait()
        self._dismiss()

    # -- tasks ---------------------------------------------------------------

    def _use(self, seat: _Seat) -> None:
        """Give what waits to a thread that is free."""
        attempt = self._next(seat)
        if attempt is None:
            self._idle.append(seat)
            return
        seat.has = attempt
        attempt.begun = time.monotonic_ns()
        if attempt.task.timeout is not None:
            attempt.timer = self._loop.call_later(attempt.task.timeout, self._time_out, attempt)
        seat.inbox.put(attempt)

    def _next(self, seat: _Seat) -> Attempt | None:
        while seat.bound:
            attempt = seat.bound.popleft()
            if attempt.task in self._attempts:  # else it was cancelled meanwhile
                return attempt
        return self._ledger.take()

    def _time_out(self, attempt: Attempt) -> None:
        """Whoever waits is told at once."""
        self._end(attempt, "ran for too long")
        attempt.task.fail(TaskTimeout(f"{attempt.name} ran for over {attempt.task.timeout:g} s"))

    def _end(self, attempt: Attempt, doom: str) -> None:
        """Ask a task to end that runs, and abandon its thread after a while."""
        if not attempt.is_doomed:
            attempt.is_doomed = True
            attempt.stop_timer()
            attempt.interrupt()
            attempt.timer = self._loop.call_later(self._grace, self._abandon, attempt, doom)

    def _abandon(self, attempt: Attempt, doom: str) -> None:
        """Let it have its thread for as long as it likes. Nothing ends a thread from outside."""
        log.warning(
            "pool_thread_abandoned",
            function=attempt.name,
            reason=f"it {doom}, and did not end within {self._grace:g} s",
            effect="another thread takes its place",
        )
        seat = next(each for each in self._seats if each.has is attempt)
        seat.inbox.put(None)
        seat.inbox, seat.has = SimpleQueue(), None
        self._forget(attempt)
        self._replace(seat)

    def _ended(self, seat: _Seat, attempt: Attempt, outcome: Outcome) -> None:
        if seat.has is not attempt:
            return  # its thread was abandoned, so somebody else may have the seat
        self.pace.note(attempt.task.submitted, attempt.begun)
        seat.has = None
        self._forget(attempt)
        if outcome.error is not None:
            attempt.task.fail(outcome.error)
        else:
            attempt.task.succeed(outcome.result)
        self._use(seat)

    def _forget(self, attempt: Attempt) -> None:
        """It has ended, or never begins."""
        attempt.stop_timer()
        self._ledger.forget(attempt)
        del self._attempts[attempt.task]
        if not self._attempts:
            self._all_ended.set()

    # -- threads -------------------------------------------------------------

    def _start(self, seat: _Seat) -> None:
        """Raises RuntimeError where the system has no thread."""
        # A daemon: one that is abandoned must not keep the process.
        number = self._seats.index(seat)
        thread = threading.Thread(
            target=self._live, args=(seat, seat.inbox), name=f"pool-{number}", daemon=True
        )
        thread.start()
        self._use(seat)

    def _replace(self, seat: _Seat) -> None:
        try:
            self._start(seat)
        except RuntimeError as error:
            log.error("pool_thread_not_started", reason=str(error), retry_in=START_AGAIN)
            self._loop.call_later(START_AGAIN, self._replace, seat)

    def _live(self, seat: _Seat, inbox: "SimpleQueue[Attempt | None]") -> None:
        while (attempt := inbox.get()) is not None:
            outcome = attempt.run()
            try:
                self._loop.call_soon_threadsafe(self._ended, seat, attempt, outcome)
            except RuntimeError:  # the loop has closed: it was abandoned
                return
            del attempt, outcome  # or they were kept until the next one comes

    def _dismiss(self) -> None:
        for seat in self._seats:
            seat.inbox.put(None)
