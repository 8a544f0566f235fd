"""How far a reload is, as clients that wait for it are told."""

from typing import Annotated, Any

import msgspec

from prefork.control.meaning import means
from prefork.control.protocol import shaped
from prefork.core.orders import ReloadStatus


class Progress(msgspec.Struct, kw_only=True):
    """One line of the answer to `reload`; *state* is "stopped" where the instance ended first."""

    state: Annotated[
        str,
        means(
            "`running`; at the end `succeeded`, `failed` (the old code serves on, but for `moved` "
            "slots that could not go back) or `cancelled` (by a stop)"
        ),
    ]
    generation: Annotated[int, means("that is loaded")] = 0
    moved: Annotated[int, means("how many workers run the new code")] = 0
    slots: Annotated[int, means("of how many")] = 0
    reason: Annotated[str, means("one line: why it failed or was cancelled")] = ""
    detail: Annotated[str, means("the application's own traceback, where it has one")] = ""
    seconds: Annotated[float, means("that it took; 0 while it runs")] = 0.0


def told(status: ReloadStatus) -> dict[str, Any]:
    """Write a status as a line's result."""
    return {
        "state": status.state.value,
        "generation": status.generation,
        "moved": status.moved,
        "slots": status.slots,
        "reason": status.reason,
        "detail": status.detail,
        "seconds": round((status.finished or status.started) - status.started, 3),
    }


def read(name: str, answer: dict[str, Any]) -> Progress:
    """Read a line's result. Raises ControlError where it is none of ours."""
    return shaped(name, answer, Progress)
