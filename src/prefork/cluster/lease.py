"""An engine for as long as the block of a pool lasts: before and after there is none."""

from typing import NoReturn

from prefork.pool.engine import Call, Engine, Task
from prefork.pool.errors import PoolError
from prefork.pool.pace import Pace

OUTSIDE = "the pool is there only inside of `async with`"


class Lease:
    """It is an engine itself. *tasks*: those that have not ended."""

    def __init__(self) -> None:
        self.tasks: set[Task] = set()
        self.pace = Pace()
        self._engine: Engine | None = None
        self._cause: BaseException | None
        self._reason, self._cause = OUTSIDE, None

    def begin(self, engine: Engine) -> None:
        self._engine, self.pace = engine, engine.pace

    async def end(self, reason: str, cause: BaseException | None = None) -> None:
        """End all that waits or runs, and refuse what comes. *reason*, *cause*: told to both."""
        engine, self._engine, self._reason, self._cause = self._engine, None, reason, cause
        if engine is None:
            return
        for task in list(self.tasks):
            engine.cancel(task)
            task.fail(self._refusal())
        await engine.close()

    @property
    def is_on(self) -> bool:
        return self._engine is not None

    def refuse(self) -> NoReturn:
        raise self._refusal()

    # -- as an engine --------------------------------------------------------

    def submit(self, task: Task) -> None:
        if self._engine is None:
            self.refuse()
        self._engine.submit(task)
        self._note(task)

    async def submit_to_all(self, call: Call, limit: float | None) -> list[Task]:
        if self._engine is None:
            self.refuse()
        tasks = await self._engine.submit_to_all(call, limit)
        for task in tasks:
            self._note(task)
        return tasks

    def cancel(self, task: Task) -> None:
        if self._engine is not None:
            self._engine.cancel(task)

    def took(self, task: Task, items: int) -> None:
        if self._engine is not None:
            self._engine.took(task, items)

    def counts(self) -> dict[str, int]:
        if self._engine is None:
            return {"size": 0, "waiting": 0, "running": 0}
        return self._engine.counts()

    async def close(self) -> None:
        await self.end(OUTSIDE)

    def _refusal(self) -> PoolError:
        error = PoolError(self._reason)
        error.__cause__ = self._cause
        return error

    def _note(self, task: Task) -> None:
        self.tasks.add(task)
        task.outcome.add_done_callback(lambda _: self.tasks.discard(task))
