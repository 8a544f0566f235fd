"""`prefork` whose fleet writes down what it is told and orders; with a part replaced, if asked to.

python -m tests.chaos.recorded FILE VARIANT serve …
"""

import os
import sys

from tests.chaos import timeline
from tests.chaos.naive import VARIANTS

from prefork.boot import instance
from prefork.cli.main import main
from prefork.core.facts import Fact
from prefork.core.fleet import Fleet
from prefork.core.orders import Order
from prefork.core.plan import Plan


class Recorded(Fleet):
    """Each line is written at once: a primary that is killed has no last words."""

    path = ""  # of the file

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC)
        os.write(self._file, timeline.header(plan))

    def start(self, now: float) -> list[Order]:
        return self._written(now, timeline.START, super().start(now))

    def handle(self, fact: Fact, now: float) -> list[Order]:
        return self._written(now, fact, super().handle(fact, now))

    def tick(self, now: float) -> list[Order]:
        return self._written(now, timeline.TICK, super().tick(now))

    def _written(self, now: float, what: Fact | str, orders: list[Order]) -> list[Order]:
        os.write(self._file, timeline.line(now, what, orders))
        return orders


if __name__ == "__main__":
    Recorded.path, variant = sys.argv[1:3]
    del sys.argv[1:3]
    vars(instance).update(Fleet=Recorded)
    VARIANTS[variant]()
    sys.exit(main())
