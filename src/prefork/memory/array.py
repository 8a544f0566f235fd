"""Numbers that all processes of an instance share, by key."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import index as as_whole
from typing import Any, Generic, Literal, TypeVar, overload

from prefork.memory import source
from prefork.memory.cells import ATOMIC, Cells
from prefork.memory.segment import Segment, attach

Number = TypeVar("Number", int, float)
Whole = Literal["b", "B", "h", "H", "i", "I", "q", "Q"]
Real = Literal["f", "d"]

# As `array` and `struct` have them, with sizes that don't depend on the machine.
SIZES = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "f": 4, "d": 8}


@dataclass(frozen=True, slots=True)
class _Found:
    """Where an array's numbers are, as long as its process is of one instance."""

    where: str  # the instance; "" is this process
    segment: Segment
    numbers: memoryview
    cells: Cells | None  # None: of its typecode there are none


class SharedArray(Generic[Number]):
    """Numbers in memory that all processes of an instance share: workers, the pool's, of every
    generation, and programs that a script executes. They are 0 at first.

    The primary makes them when somebody first asks for the *key*, and keeps them until it ends:
    they outlive workers and reloads, and no restart. A process asks at its first use, in whatever
    thread, and waits for the answer: about a millisecond, and once up to 50 for an import. So an
    array may be made, or better used, where a module is imported, before workers are forked. To
    pickle one, as a task's argument, sends its key.

    `array[0]`, slices, `for` and `len` are those of a list that can't grow. `array[0] += 1` loses
    changes that others make meanwhile; `add` and its kin don't.

    Outside of an instance the memory is this process's, and of the children that it forks after
    it has first used it. In the block of a `prefork.Pool` it is the pool's, in each block anew;
    after a block the script still has that one's.
    """

    __slots__ = ("_found", "_instance", "_key", "_length", "_typecode")

    @overload
    def __init__(
        self: "SharedArray[int]", key: str, typecode: Whole, length: int, *, instance: str = ""
    ) -> None: ...
    @overload
    def __init__(
        self: "SharedArray[float]", key: str, typecode: Real, length: int, *, instance: str = ""
    ) -> None: ...
    def __init__(self, key: str, typecode: str, length: int, *, instance: str = "") -> None:
        """*typecode*: one of b B h H i I q Q f d, as in `array`: whole numbers of 1, 2, 4 and 8
        bytes, capital letters without a sign, and floats of 4 and 8. *instance*: the name of a
        running one, or the path of its control socket, for a program of the same user that is not
        of it.

        Raises ValueError for another typecode, and a length below 1. What is asked for later
        raises SharedMemoryError at the first use: where the key has another size already, where it
        would be too much (256 keys, 64 MiB each, 256 MiB in all), or the instance doesn't answer.
        """
        if typecode not in SIZES:
            raise ValueError(f"the typecode is one of {' '.join(SIZES)}, not {typecode!r}")
        if length < 1:
            raise ValueError(f"the length of a shared array is 1 or more, not {length}")
        self._key, self._typecode, self._length = key, typecode, length
        self._instance = instance
        self._found: _Found | None = None

    # -- as a list -----------------------------------------------------------

    @property
    def memory(self) -> memoryview:
        """The numbers themselves, for what takes a buffer: `numpy.frombuffer(array.memory, "i4")`.

        To read or write one that is aligned is one instruction, so that nobody sees half of it.
        """
        return self._here.numbers

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Number: ...
    @overload
    def __getitem__(self, index: slice) -> list[Number]: ...
    def __getitem__(self, index: int | slice) -> Number | list[Number]:
        numbers: Any = self.memory[index]
        if isinstance(index, slice):
            numbers = numbers.tolist()
        return numbers  # type: ignore[no-any-return]

    @overload
    def __setitem__(self, index: int, value: Number) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[Number]) -> None: ...
    def __setitem__(self, index: int | slice, value: Any) -> None:
        if not isinstance(index, slice):
            self.memory[index] = value
            return
        places, values = range(*index.indices(self._length)), list(value)
        if len(places) != len(values):
            raise ValueError(f"{len(values)} numbers for {len(places)} places")
        for place, each in zip(places, values, strict=True):
            self.memory[place] = each

    def __iter__(self) -> Iterator[Number]:
        return iter(self[:])

    # -- without losing others' changes --------------------------------------

    def load(self, index: int) -> int:
        """Return the number; who sees it sees all that was stored before it.

        This and the next four are there for the typecodes i, I, q and Q, and raise TypeError for
        others; IndexError where there is no such number, and ValueError for one that doesn't fit.
        """
        return self._atomic.load(self._place(index))

    def store(self, index: int, value: int) -> None:
        """Set the number."""
        self._atomic.store(self._place(index), self._fitting(value))

    def add(self, index: int, amount: int = 1) -> int:
        """Add to the number, and return the sum; too great a one wraps around, as in C."""
        return self._atomic.add(self._place(index), as_whole(amount))

    def exchange(self, index: int, value: int) -> int:
        """Set the number, and return what it was."""
        return self._atomic.exchange(self._place(index), self._fitting(value))

    def compare_exchange(self, index: int, expected: int, value: int) -> bool:
        """Set the number if it is *expected*, and return whether it was."""
        place = self._place(index)
        return self._atomic.compare_exchange(place, self._fitting(expected), self._fitting(value))

    # -- waiting -------------------------------------------------------------

    async def wait(self, index: int, expected: Number, timeout: float | None = None) -> Number:  # noqa: ASYNC109 - as asyncio.wait_for has it
        """Wait until the number is not *expected*, and return it.

        Whoever changes it must `notify`. *timeout*: seconds; then it raises TimeoutError. What
        becomes *expected* again at once may be missed.
        """
        place = self._place(index)
        async with asyncio.timeout(timeout):
            await self._here.segment.bell.wait(lambda: bool(self._read(place) != expected))
        return self._read(place)

    def notify(self, index: int) -> None:
        """Have all who wait for this number look at it, in any process."""
        self._place(index)
        self._here.segment.bell.ring()

    # -- inside --------------------------------------------------------------

    @property
    def _here(self) -> _Found:
        """Attach, at first and when this process has come to another instance."""
        found, where = self._found, self._instance or source.current()
        if found is None or (where and where != found.where):
            found = self._found = self._attach(where)
        return found

    def _attach(self, where: str) -> _Found:
        code = self._typecode
        segment = attach(where, self._key, SIZES[code] * self._length)
        cells = segment.cells(code) if code in ATOMIC else None
        return _Found(where, segment, segment.numbers(code), cells)

    @property
    def _atomic(self) -> Cells:
        if self._typecode not in ATOMIC:
            kinds = ", ".join(ATOMIC)
            raise TypeError(f"that can be done to the typecodes {kinds}, not {self._typecode}")
        cells = self._here.cells
        assert cells is not None, "it is of such a typecode"
        return cells

    def _read(self, place: int) -> Number:
        """Read it so that what is read is not older than what was done before."""
        if self._typecode in ATOMIC:
            return self._atomic.load(place)
        return self[place]

    def _place(self, index: int) -> int:
        place = index + self._length if index < 0 else index
        if not 0 <= place < self._length:
            raise IndexError(f"there are {self._length} numbers, and none at {index}")
        return place

    def _fitting(self, value: int) -> int:
        _, least, greatest = ATOMIC.get(self._typecode, (0, value, value))
        if not least <= as_whole(value) <= greatest:
            raise ValueError(f"{value} is no number of the typecode {self._typecode}")
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        made = partial(SharedArray, instance=self._instance)
        return made, (self._key, self._typecode, self._length)

    def __repr__(self) -> str:
        return f"SharedArray({self._key!r}, {self._typecode!r}, {self._length})"
