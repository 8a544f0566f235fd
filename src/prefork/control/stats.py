"""The shape of the answer to `stats`, with what the command that asks adds to it."""

from typing import Annotated, Any

import msgspec

from prefork.control.meaning import means
from prefork.control.protocol import shaped


class Memory(msgspec.Struct, kw_only=True):
    """Measured by the command, from outside; None where that is not possible."""

    rss: Annotated[int | None, means("bytes of memory, shared ones in full")] = None
    pss: Annotated[
        int | None, means("bytes of memory, each shared one divided by how many share it")
    ] = None


class Used(Memory, kw_only=True):
    """What one process uses, likewise."""

    cpu_percent: Annotated[
        float | None, means("processor time over the last tenth of a second; 100 is one core")
    ] = None


class Primary(Used, kw_only=True):
    pid: int | None = None


class Process(Used, kw_only=True):
    """What workers, pool processes and templates have."""

    id: Annotated[int, means("of this process, never used twice")] = 0
    pid: Annotated[int | None, means("null while it is being forked")] = None
    state: Annotated[str, means("one of the [states](states.md)")]
    generation: Annotated[int, means("of the code that it runs")]
    uptime: Annotated[float | None, means("seconds since it was asked for")] = None


class Worker(Process, kw_only=True):
    slot: Annotated[int, means("its place, which its successor inherits")]
    restarts: Annotated[
        int,
        means(
            "how often the slot was filled again after a death, or after its worker asked for a "
            "successor; new code that died on trial doesn't count"
        ),
    ] = 0
    recycled: Annotated[
        int,
        means("how often the slot's worker was replaced for its requests, its life or its memory"),
    ] = 0
    connections: Annotated[int, means("open now")] = 0
    accepted: Annotated[
        int, means("connections taken by this process, without those that another worker had")
    ] = 0
    requests: Annotated[
        int,
        means("requests answered by this process, as of its last beat; it beats twice a second"),
    ] = 0
    handed_back: Annotated[
        int, means("connections given to other workers, open, since this one is to go")
    ] = 0
    in_flight: Annotated[
        int,
        means("requests being answered, as of its last beat, or of the last end of a connection"),
    ] = 0
    loop_lag_ms: Annotated[
        float | None,
        means("how late its event loop is, in milliseconds; null before its first beat"),
    ] = None

    leader: Annotated[bool, means("whether it is the one that leads")] = False
    blocked: Annotated[
        str,
        means(
            "why it makes no progress, and gets no connections: "
            "[`loop`, `interpreter` or `stopped`](../howto/blocked-workers.md); empty where it does"
        ),
    ] = ""


class Pooled(Process, kw_only=True):
    """Runs tasks, one at a time."""

    slot: Annotated[int, means("its place in the pool of its generation")]
    tasks: Annotated[int, means("tasks of this process that have ended, whichever way")] = 0
    task: Annotated[str, means("the function that it runs; empty where it waits for one")] = ""
    task_seconds: Annotated[
        float | None, means("for how long the task has run; null where there is none")
    ] = None


class Quantiles(msgspec.Struct, kw_only=True):
    """In milliseconds, to within 6 %."""

    p50: Annotated[float, means("half of the tasks took no longer")]
    p90: Annotated[float, means("nine of ten")]
    p99: Annotated[float, means("99 of 100")]
    p999: Annotated[float, means("999 of 1000")]


class Tasks(msgspec.Struct, kw_only=True):
    """In all processes of the pool; what they took is of the last 30 to 60 seconds."""

    waiting: Annotated[int, means("tasks that no process has taken yet")] = 0
    running: Annotated[int, means("tasks that one has")] = 0
    done: Annotated[int, means("tasks that ever ended, whichever way; it never goes back")] = 0
    recent: Annotated[
        int, means("tasks that ended in the last 30 to 60 seconds, of processes that live")
    ] = 0
    wait: Annotated[
        Quantiles | None,
        means(
            "how long those waited for a process, in [milliseconds](#quantiles); null where there "
            "were none"
        ),
    ] = None
    run: Annotated[Quantiles | None, means("how long they ran, likewise")] = None
    utilisation: Annotated[
        float,
        means("the part of that time in which the processes ran a task, from 0 to 1"),
    ] = 0.0


class Template(Process, kw_only=True):
    """Imports the application, and forks workers."""


class Hub(Process, kw_only=True):
    """Passes on what workers publish; there is one once somebody does."""


class Aide(Used, kw_only=True):
    """A process beside the fleet."""

    name: Annotated[str, means("`watcher`, `capture`, or the hook that it runs")]
    pid: Annotated[int, means("its pid")]
    uptime: Annotated[float, means("seconds since it was started")]


class Generation(msgspec.Struct, kw_only=True):
    """The live processes of one loading of the code."""

    generation: Annotated[int, means("its number")]
    workers: Annotated[int, means("how many live")]
    serving: Annotated[int, means("how many of these take connections")]
    templates: Annotated[int, means("how many live")]
    pool: Annotated[int, means("how many processes of its pool live")] = 0


class Reload(msgspec.Struct, kw_only=True):
    """The latest reload."""

    state: Annotated[str, means("as [above](#reload)")]
    generation: Annotated[int, means("that was loaded")]
    moved: Annotated[int, means("how many workers run the new code")]
    slots: Annotated[int, means("of how many")]
    started: Annotated[float, means("in Unix seconds")]
    finished: Annotated[float | None, means("in Unix seconds; null while it runs")] = None
    reason: Annotated[str, means("one line: why it failed or was cancelled")] = ""


class Totals(msgspec.Struct, kw_only=True):
    """Of all workers that ever were; none ever goes back."""

    accepted: Annotated[int, means("connections taken")] = 0
    requests: Annotated[
        int,
        means("requests answered; what a killed worker answered after its last beat is missing"),
    ] = 0
    handed_back: Annotated[
        int, means("moves of a connection from a worker that was to go to one that stays")
    ] = 0
    exits: Annotated[int, means("of workers, for whatever reason")] = 0
    blocks: Annotated[int, means("how often a worker was blocked for `block_warn`")] = 0
    timeouts: Annotated[int, means("workers that were aborted at `worker_timeout`")] = 0


class Stats(msgspec.Struct, kw_only=True):
    name: Annotated[str, means("what the instance is called")]
    pid: Annotated[int, means("the primary's")]
    version: Annotated[str, means("of prefork")] = ""
    app: Annotated[str, means("that it was told to serve")]
    policy: Annotated[str, means("by which connections reach workers")] = ""
    bind: Annotated[list[str], means("addresses, with the ports that it got")]
    generation: Annotated[int, means("of the code that is served")]
    state: Annotated[
        str,
        means(
            "`starting`, `waiting` (under `--reload`: the first start failed, and a change is "
            "awaited), `serving`, `degraded` (a worker is missing, a process of the pool that "
            "always is to be there, or the template that could replace one), `stopping`"
        ),
    ]
    uptime: Annotated[float, means("seconds")]
    workers_wanted: Annotated[int, means("how many")]
    pool_wanted: Annotated[int, means("how many processes a generation's pool may have")] = 0
    workers: Annotated[list[Worker], means("an object for each [worker](#a-worker), by slot")]
    templates: Annotated[list[Template], means("an object for each [template](#a-template)")] = []
    pool: Annotated[
        list[Pooled],
        means("an object for each [process of a pool](#a-process-of-the-pool), by slot"),
    ] = []
    tasks: Annotated[Tasks, means("[what these run](#tasks), and what workers wait for")] = (
        msgspec.field(default_factory=Tasks)
    )
    hubs: Annotated[list[Hub], means("an object for the [hub](#a-hub), where there is one")] = []
    aides: Annotated[
        list[Aide], means("an object for each [process beside the fleet](#an-aide)")
    ] = []
    generations: Annotated[
        list[Generation],
        means(
            "an object for each [generation](#a-generation) of which a process lives, the oldest "
            "first"
        ),
    ] = []
    reload: Annotated[Reload | None, means("the [latest reload](#the-latest-reload), or null")] = (
        None
    )
    totals: Annotated[
        Totals, means("[sums](#totals) of all workers that ever were; none ever goes back")
    ] = msgspec.field(default_factory=Totals)
    primary: Annotated[Primary, means("what the primary [uses](#what-the-commands-add)")] = (
        msgspec.field(default_factory=Primary)
    )
    memory: Annotated[
        Memory, means("`rss` and `pss` of all processes of the instance together")
    ] = msgspec.field(default_factory=Memory)

    @property
    def ready(self) -> int:
        """How many workers take connections; one that is leaving does until its successor does."""
        return sum(
            worker.state in ("serving", "leaving") and not worker.blocked for worker in self.workers
        )

    @property
    def is_healthy(self) -> bool:
        """Whether every wanted worker serves, and the pool is whole, and a worker that dies could
        be replaced at once.

        A process of the pool that is replaced, as after `pool_max_tasks`, is missing for a moment.
        """
        return self.state == "serving" and self.ready >= self.workers_wanted


def read(name: str, answer: dict[str, Any]) -> Stats:
    """Read an answer. Raises ControlError where it is not what a prefork of today says."""
    return shaped(name, answer, Stats)
