"""How far a reload is, as clients that wait for it are told."""

from typing import Any

import msgspec

from prefork.control.protocol import shaped
from prefork.core.messages import ReloadStatus


class Progress(msgspec.Struct, kw_only=True):
    """One line of the answer to `reload`; *state* is "stopped" where the instance ended first."""

    state: str
    generation: int = 0
    moved: int = 0
    slots: int = 0
    reason: str = ""
    detail: str = ""  # the application's own traceback
    seconds: float = 0.0  # that it took; while it runs 0


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
