"""What the pool's tests have it do."""

import hashlib
import os
import resource
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy
from tests.support import pacing


class PeculiarError(Exception):
    """An exception that travels with what it holds."""

    def __init__(self, number: int | str) -> None:
        super().__init__(f"peculiar {number}")
        self.number = number

    def __reduce__(self) -> tuple[type["PeculiarError"], tuple[int | str]]:
        return PeculiarError, (self.number,)


class StubbornError(Exception):
    """One that can be pickled, and not restored."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one + two)
        self.home = Homesick()  # for what restores exceptions without their __init__, as tblib does


def restore_where(pid: int) -> int:
    if os.getpid() != pid:
        raise RuntimeError("not here")
    return pid


class Homesick:
    """Can be restored in the process alone that has pickled it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return restore_where, (os.getpid(),)


class Inert:
    """Can't be pickled."""

    def __reduce__(self) -> Any:
        raise TypeError("Inert stays where it is")


def spring(kind: type[BaseException]) -> None:
    raise kind


class Trap:
    """Raises where it is restored."""

    def __init__(self, kind: type[BaseException]) -> None:
        self._kind = kind

    def __reduce__(self) -> Any:
        return spring, (self._kind,)


@dataclass(frozen=True, slots=True)
class FrozenError(Exception):
    """Refuses to be given a cause."""

    number: int


class DisobligingError(Exception):
    """Ends whoever restores it."""

    def __reduce__(self) -> Any:
        return spring, (SystemExit,)


class SpeechlessError(Exception):
    """Can't say what it is."""

    def __str__(self) -> str:
        raise RuntimeError


def raise_speechless() -> None:
    raise SpeechlessError


def pid() -> int:
    return os.getpid()


def give(value: Any) -> Any:
    return value


def kind(value: Any) -> str:
    return type(value).__name__


def twice(array: "numpy.ndarray[Any, Any]") -> "numpy.ndarray[Any, Any]":
    array *= 2
    return array


def raise_peculiar(number: int) -> None:
    raise PeculiarError(number)


def throw(kind: type[BaseException]) -> None:
    raise kind


def raise_stubborn() -> None:
    raise StubbornError(1, 2)


def raise_much(length: int) -> None:
    raise ValueError("x" * length)


def fork() -> int:
    """Fork a copy, and let it come back too."""
    if child := os.fork():
        os.waitpid(child, 0)
    return os.getpid()


def inert() -> Inert:
    return Inert()


def inert_of(_status: int) -> Inert:
    return Inert()


def leave(code: int) -> None:
    raise SystemExit(code)


def vanish(code: int) -> None:
    os._exit(code)


def die(number: int = signal.SIGKILL) -> None:
    os.kill(os.getpid(), number)


def note(path: str, text: str) -> None:
    """Append a line to a file: who else runs it is seen by that."""
    with open(path, "a") as file:
        file.write(f"{text}\n")


def pause(seconds: float, path: str = "", text: str = "") -> int:
    """Take a while in Python, after noting a line."""
    if path:
        note(path, text)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pacing.hold(0.001)
    return os.getpid()


def wait_for(path: str) -> None:
    """Say that it has begun, by a file, and take until the other is there."""
    note(path + ".begun", "")
    while not os.path.exists(path):
        pacing.hold(0.001)


def hold(path: str) -> None:
    """Take about a minute without ever coming back to Python: no signal's handler runs."""
    note(path, str(os.getpid()))
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 200_000_000)


def size_of(value: memoryview) -> int:
    return value.nbytes


def limit_memory(more: int) -> None:
    """Allow this process so many bytes more."""
    with open("/proc/self/statm", "rb") as statm:
        data = int(statm.read().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (data + more, resource.RLIM_INFINITY))


class Treacherous:
    """Can be pickled, and not restored."""

    def __reduce__(self) -> Any:
        return work_no_more, ()


def work_no_more() -> None:
    raise ValueError("not here")


def treacherous(count: int) -> Iterator[Treacherous]:
    for _ in range(count):
        yield Treacherous()


def counting(until: int, path: str = "") -> Iterator[int]:
    for number in range(until):
        if path:
            note(path, str(number))
        yield number


def counting_homesick(path: str) -> Iterator[Any]:
    """Never end, with items that can't be read elsewhere but the first."""
    try:
        yield 0
        while True:
            yield Homesick()
    finally:
        note(path, "closed")


def counting_badly(until: int) -> Iterator[int]:
    yield from range(until)
    raise PeculiarError(until)


def ignore(path: str, seconds: float) -> None:
    """Take that long, whatever is raised meanwhile."""
    note(path, "begun")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            pacing.hold(0.001)
        except BaseException:  # noqa: BLE001 - that is what it is about
            note(path, "ignored")


def tidy(path: str) -> None:
    """Note when it is cancelled, having tidied up."""
    note(path, "begun")
    try:
        while True:
            pacing.hold(0.001)
    finally:
        note(path, "tidied")


async def asynchronous() -> None:
    pass
