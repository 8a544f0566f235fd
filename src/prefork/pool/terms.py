"""What a worker may have of the pool."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """*worker*: its id. *limit*: how many of its tasks may wait. *grace*: seconds from asking a
    task to end until its process is killed. *grows*: there may be more processes than there are."""

    worker: int
    limit: int
    grace: float
    grows: bool
