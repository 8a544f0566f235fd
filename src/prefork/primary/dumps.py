"""Dumps of what workers are at, while they are being taken: we ask, and never wait."""

import selectors
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from prefork.primary import reaper
from prefork.primary.children import Child
from prefork.primary.kernel import Kernel
from prefork.wire.inquiry import SIGNAL, Inquirer
from prefork.wire.stacks import Dump, find, trimmed

WITHIN = 0.5  # seconds for an answer; a thread that gets a core gives one within 5 ms
LONGEST = 1024 * 1024  # bytes
Then = Callable[[Dump], None]  # what a dump is for


@dataclass(slots=True)
class Taking:
    """A dump that is being taken of one worker."""

    child: Child
    pid: int
    inquirer: Inquirer
    deadline: float
    number: int | None = None  # of the inquiry; None: Python is not asked, it can't run
    is_signalled: bool = False
    said: bytearray = field(default_factory=bytearray)
    thens: list[Then] = field(default_factory=list)


class Dumps:
    """First the thread beside the event loop is asked, which knows tasks and requests.

    Where it is silent, since something holds the interpreter, a signal has `faulthandler` tell
    what each thread is at. A process that is stopped tells nothing.
    """

    def __init__(self, selector: selectors.BaseSelector, kernel: Kernel) -> None:
        self._selector = selector
        self.kernel = kernel
        self._takings: dict[int, Taking] = {}  # by the child's id

    def take(self, child: Child, now: float, then: Then, *, is_held: bool = False) -> None:
        """Take one, and do *then* with it. *is_held*: no thread of Python's can run in it."""
        if taking := self._takings.get(child.id):
            taking.thens.append(then)
            return
        if child.pid is None or child.inquirer is None:
            then(Dump(missing="no stacks: it is not forked yet"))
            return
        vitals = self.kernel.vitals(child.pid)
        if vitals.is_stopped:
            then(Dump(missing=f"no stacks: it is stopped, and nothing in it can run ({vitals})"))
            return
        child.inquirer.read()  # what was answered too late
        taking = Taking(child, child.pid, child.inquirer, now + WITHIN, thens=[then])
        self._takings[child.id] = taking
        self._selector.register(child.inquirer, selectors.EVENT_READ, partial(self._read, taking))
        if is_held:
            self._signal(taking)
        else:
            taking.number = child.inquirer.ask()

    def next_check(self) -> float | None:
        """When `check` has something to end; None: not before the next answer."""
        return min((each.deadline for each in self._takings.values()), default=None)

    def check(self, now: float) -> None:
        """Ask otherwise who has not answered in time, or be content with what there is."""
        for taking in list(self._takings.values()):
            if now < taking.deadline:
                continue
            taking.deadline = now + WITHIN
            if taking.is_signalled or not self._signal(taking):
                self._conclude(taking)

    def hurry(self, child: Child) -> None:
        """Be content with what there is: it ends, or turns again."""
        if taking := self._takings.get(child.id):
            self._conclude(taking)

    def _signal(self, taking: Taking) -> bool:
        """Have threads dumped without Python's help; False: nothing there would do it."""
        taking.is_signalled = True
        can = SIGNAL is not None and self.kernel.catches(taking.pid, SIGNAL)
        if can and SIGNAL is not None:
            reaper.kill(taking.pid, SIGNAL)
        return can

    def _read(self, taking: Taking, _: float) -> tuple[()]:
        said = taking.inquirer.read()
        taking.said += said or b""
        is_over = said is None or len(taking.said) > LONGEST
        if is_over or self._answer(taking) is not None:
            self._conclude(taking)
        return ()

    def _answer(self, taking: Taking) -> Dump | None:
        is_whole = taking.number is not None and taking.said.endswith(b"\n")
        return find(bytes(taking.said), taking.number or 0) if is_whole else None

    def _conclude(self, taking: Taking) -> None:
        del self._takings[taking.child.id]
        with suppress(KeyError):
            self._selector.unregister(taking.inquirer)
        dump = self._answer(taking) or self._rest(taking)
        for then in taking.thens:
            then(dump)

    def _rest(self, taking: Taking) -> Dump:
        """What there is instead of an answer, and why."""
        vitals = self.kernel.vitals(taking.pid)
        raw = trimmed(taking.said.decode(errors="replace")) if taking.is_signalled else ""
        what = "no tasks and no requests" if raw else "no stacks"
        why = f"no Python ran in it to tell them; its main thread: {vitals}"
        return Dump(raw=raw, missing=f"{what}: {why}")
