"""The answer to `prefork dump`: what several workers are at, once the last has said it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from prefork.errors import ControlError
from prefork.primary.children import Child, Children
from prefork.primary.watchdog import Watchdog
from prefork.wire.stacks import Dump

MOST = 8 * 1024 * 1024  # bytes of all dumps together; an answer on the control socket has 16 MiB
LEFT_OUT = "left out, for the answer would be too long; ask for this slot alone"
Answer = dict[str, Any]


class Inquest:
    """*children* that are workers, and the *watchdog*, which knows how they are."""

    def __init__(self, children: Children, watchdog: Watchdog) -> None:
        self._children = children
        self._watchdog = watchdog

    def hold(self, slot: int | None, now: float, then: Callable[[Answer], None]) -> None:
        """Ask all workers, or those in one slot; give *then* the answer.

        Raises ControlError where there is none.
        """
        workers = [child for child in self._children if child.inquirer is not None]
        asked = [child for child in workers if slot in (None, child.slot)]
        if not asked:
            where = "" if slot is None else f" in slot {slot}"
            raise ControlError(f"there is no worker{where} now")
        dumps: dict[int, Dump] = {}

        def note(id: int, dump: Dump) -> None:
            dumps[id] = dump
            if len(dumps) == len(asked):
                then({"workers": self._told(asked, dumps)})

        for child in asked:
            self._watchdog.dump(child, now, partial(note, child.id))

    def _told(self, asked: list[Child], dumps: dict[int, Dump]) -> list[Answer]:
        told, size = [], 0
        for child in sorted(asked, key=lambda each: (each.slot or 0, each.id)):
            size += len(msgspec.json.encode(dumps[child.id]))
            dump = dumps[child.id] if size <= MOST else Dump(missing=LEFT_OUT)
            verdict = self._watchdog.verdict(child.id)
            who = {"slot": child.slot, "pid": child.pid, "generation": child.generation}
            blocked = "" if verdict is None else verdict.value
            told.append(who | {"blocked": blocked} | msgspec.to_builtins(dump))
        return told
