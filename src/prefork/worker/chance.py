"""The random numbers of a process that was forked: not those of its siblings."""

import sys
from contextlib import suppress


def reseed() -> None:
    """Seed NumPy's own generator, where that is loaded; `random` sees to itself.

    Processes forked from one template would draw the same numbers else.
    """
    if random := sys.modules.get("numpy.random"):
        with suppress(AttributeError):
            random.seed()
