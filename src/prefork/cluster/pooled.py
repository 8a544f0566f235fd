"""The pool of a plain script: `async with prefork.Pool(4) as pool`."""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from prefork.cluster import command, origin
from prefork.cluster.lease import Lease
from prefork.cluster.visit import Visit
from prefork.errors import SettingsError
from prefork.memory import source
from prefork.pool import client, codec
from prefork.pool.engine import Call, Engine, Task
from prefork.pool.engines import choice
from prefork.pool.engines.processes import Processes
from prefork.pool.errors import PoolError
from prefork.settings import engine, environment
from prefork.settings.schema import Settings
from prefork.settings.sources import Source, from_call, from_environment, merge
from prefork.wire.estate import Main
from prefork.worker import main_module, offload

QUEUE = 1_000_000  # tasks; a script has nobody to answer 503
# Beside all pool_*; but PREFORK_POOL is about a server, which may have none.
OF_ENVIRONMENT = ("log_level", "log_format", "start_timeout")

_numbers = count(1)  # of the pools of this process


class Options(TypedDict, total=False):
    """What a pool may be told, as the settings pool_* describe it."""

    min: int  # processes that are always there; by default all
    idle_timeout: float  # seconds without a task after which one of the others goes
    queue: int  # tasks that may wait
    timeout: float  # seconds that a task may run which says nothing else
    grace: float  # seconds that one may take to end which is to end
    initializer: str | Callable[[], object]  # called in each process first
    nice: int
    memory_limit: str  # of a task, as 512MB
    max_tasks: int  # then a process is replaced
    max_memory: str  # likewise
    engine: str  # processes, threads, or dask://HOST:PORT


class Pool(client.Pool):
    """Processes that run what a plain script gives them, for as long as its block lasts.

    >>> async with prefork.Pool(4, timeout=2.0) as pool:
    ...     print(await pool.run(square, 3))

    Its methods are those of the module `pool`. The processes import the script's main module anew,
    under another name: what starts the pool must stand under `if __name__ == "__main__":`.
    """

    def __init__(self, size: int | str | None = None, **options: Unpack[Options]) -> None:
        """*size*: how many processes at most; by default "max", one for each CPU, whatever
        PREFORK_POOL says of servers.

        The others are those settings that have the same name with `pool_` before it, and the same
        defaults; but as many tasks may wait as you like, unless *queue* says how many, and
        *initializer* may be a function. Raises SettingsError that names every value that is wrong,
        and TypeError for a name that is no option.
        """
        self._main = origin.main()
        self._settings = _settings(size, dict(options), self._main)
        self._timeout = self._settings.pool_timeout or None
        self._engine = self._lease = Lease()
        self._visit: Visit | None = None
        self._mourner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the processes, and wait until they are there.

        Raises AppError where they can't be, as for an import or an initializer that fails; its
        cause has their traceback.
        """
        main_module.refuse_inside()
        if self._lease.is_on:
            raise PoolError("the pool is in use already")
        if self._settings.pool_engine == engine.PROCESSES:
            self._visit = await self._arrive()
        settings = self._settings
        self._lease.begin(choice.made(settings, settings.pool_queue, self._processes))
        super().__init__(self._lease, self._timeout)
        return self

    async def _arrive(self) -> Visit:
        """Start the program that runs the processes, and wait until they are there."""
        # What comes back of the main module's own has the name that it has there.
        sys.modules.setdefault(main_module.NAME, sys.modules["__main__"])
        visit = Visit.begin(self._settings, self._main)
        try:
            await visit.welcomed()
        except BaseException:
            await visit.break_off()
            raise
        if not source.current():  # a second pool, or one in a worker, changes nothing
            source.settle(visit.control)
        return visit

    def _processes(self) -> Engine:
        visit, loop = self._visit, asyncio.get_running_loop()
        assert visit is not None, "it has been arrived at"
        terms = offload.terms_of(self._settings, visit.id, 1)
        made = Processes(terms, visit.say, visit.lines, loop)
        visit.heard = made.hear
        self._mourner = loop.create_task(self._mourn(visit))
        return made

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for all tasks, as concurrent.futures does, and for the processes to end.

        Streams end at once, and so does everything after an exception.
        """
        try:
            if kind is None:
                await self._finish()
        finally:
            visit, self._visit = self._visit, None
            await self._lease.end("the pool has been left")
            if visit is not None:
                if source.current() == visit.control:
                    source.settle("")
                await visit.leave(self._settings.pool_grace)

    async def _finish(self) -> None:
        while waiting := [each.outcome for each in self._lease.tasks if each.items is None]:
            await asyncio.wait(waiting)

    async def _mourn(self, visit: Visit) -> None:
        """Let nobody wait for a pool that has ended unasked."""
        await visit.ended.wait()
        if self._visit is visit:
            reason = str(visit.failure or "the pool has ended: its instance was stopped")
            await self._lease.end(reason, visit.failure)

    def _task(self, call: Call, timeout: float | None, priority: int) -> Task:
        if not self._lease.is_on:
            self._lease.refuse()
        reason = self._visit and origin.trouble(call.function, self._main)
        if reason:
            raise TypeError(f"{codec.name_of(call.function)} can't be run in the pool: {reason}")
        return super()._task(call, timeout, priority)


# -- settings ----------------------------------------------------------------


def _settings(size: int | str | None, options: dict[str, Any], main: Main) -> Settings:
    """Make settings of an instance that serves nothing. Raises SettingsError, and TypeError."""
    if unknown := options.keys() - Options.__annotations__.keys():
        raise TypeError(f"Pool() has no option {', '.join(sorted(unknown))}")
    if callable(initializer := options.get("initializer")):
        options["initializer"] = _spelled(initializer, main)
    number, name = next(_numbers), command.name_of(sys.argv[0])
    usual = {
        "app": f"{name}:__main__",
        "name": f"{name}-pool-{os.getpid()}" + (f"-{number}" if number > 1 else ""),
        "log_level": "warning",
        "pool": "max",
        "pool_queue": QUEUE,
    }
    said = from_environment(environment.variables())
    mine = {k: v for k, v in said.items() if k.startswith("pool_") or k in OF_ENVIRONMENT}
    made = merge(from_call(usual), mine, _called(size, options)).settings()
    if made.pool == 0:
        raise SettingsError("size must be at least 1 (got 0)")
    nothing: dict[str, Any] = {"bind": (), "workers": 0, "app_dir": sys.path[0] or "."}
    return Settings.of(vars(made) | nothing)


def _called(size: int | str | None, options: dict[str, Any]) -> Source:
    """Take what was said here, under the names that it has here."""
    said = {"pool": size} | {f"pool_{name}": value for name, value in options.items()}
    labels = {"pool": "size"} | {f"pool_{name}": name for name in options}
    return {k: replace(given, label=labels[k]) for k, given in from_call(said).items()}


def _spelled(function: Callable[[], object], main: Main) -> str:
    """Name a function as settings do. Raises SettingsError for one that has no such name."""
    name = codec.name_of(function)
    if reason := origin.trouble(function, main):
        raise SettingsError(f"initializer {name} can't be called in the pool: {reason}")
    if function != _meant(name):
        raise SettingsError(f"initializer must be a function at the top of a module (got {name})")
    return name


def _meant(name: str) -> object:
    """What is called so in this process; None: nothing."""
    module, _, qualified = name.partition(":")
    found: object = sys.modules.get(module)
    for each in qualified.split("."):
        found = getattr(found, each, None)
    return found
