"""What an instance answers to `dump`, as a command reads it and shows it."""

from typing import Annotated, Any

import msgspec

from prefork.control.meaning import means
from prefork.control.protocol import shaped
from prefork.errors import ControlError
from prefork.log import escape
from prefork.wire.stacks import Dump, lines

INDENT = "  "


class Dumped(Dump, kw_only=True, frozen=True):
    """What one worker is at."""

    slot: Annotated[int, means("its place")]
    pid: Annotated[int | None, means("null while it is being forked")] = None
    generation: Annotated[int, means("of the code that it runs")] = 0
    blocked: Annotated[str, means("as in the answer to `stats`")] = ""


class Dumps(msgspec.Struct, kw_only=True):
    """The whole answer."""

    workers: list[Dumped] | None = None
    state: str = ""  # "stopped" instead, where the instance ended first


def read(name: str, answer: dict[str, Any]) -> list[Dumped]:
    """Read an answer. Raises ControlError where the instance had none."""
    found = shaped(name, answer, Dumps)
    if found.workers is None:
        raise ControlError(f"{name} stopped before it answered")
    return found.workers


def shown(workers: list[Dumped]) -> str:
    """What `dump` prints: each worker with its requests, tasks and threads."""
    return "\n\n".join(_worker(each) for each in workers)


def _worker(worker: Dumped) -> str:
    blocked = f", blocked: {escape(worker.blocked)}" if worker.blocked else ""
    head = f"worker {worker.slot}, pid {worker.pid}, generation {worker.generation}{blocked}"
    return "\n".join([head, *(INDENT + escape(line) for line in lines(worker))])
