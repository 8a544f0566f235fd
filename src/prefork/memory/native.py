"""Numbers that are changed by one instruction of the processor, by way of GCC's libatomic."""

import ctypes
from functools import cache
from typing import Any

from prefork.errors import SharedMemoryError
from prefork.memory.cells import ATOMIC

_LIBRARY = "libatomic.so.1"
_SEQUENTIAL = 5  # __ATOMIC_SEQ_CST
_TYPES: dict[str, Any] = {
    "i": ctypes.c_int32,
    "I": ctypes.c_uint32,
    "q": ctypes.c_int64,
    "Q": ctypes.c_uint64,
}


def is_there() -> bool:
    return _library() is not None


@cache
def _library() -> ctypes.PyDLL | None:
    try:
        return ctypes.PyDLL(_LIBRARY)  # which keeps the GIL: to give it up costs more than the call
    except OSError:
        return None


class NativeCells:
    """See `Cells`. It costs what a call through ctypes does: a compiled module would be quicker,
    and have to be built for each system."""

    def __init__(self, mapped: ctypes.c_char, offset: int, typecode: str) -> None:
        """*mapped*: the first byte of the memory. *offset*: of the first number in it.

        Raises SharedMemoryError where there is no libatomic.
        """
        library = _library()
        if library is None:  # whoever keeps the memory has it, and is perhaps another program
            raise SharedMemoryError(
                f"the instance changes numbers by {_LIBRARY}, which this process can't load"
            )
        self._library = library
        self._mapped = mapped  # or it may be gone while a thread of a bell still looks
        self._address = ctypes.addressof(mapped) + offset
        self._size = ATOMIC[typecode][0]
        kind = self._kind = _TYPES[typecode]
        at, order = ctypes.c_void_p, ctypes.c_int
        self._load = self._function("load", kind, at, order)
        self._store = self._function("store", None, at, kind, order)
        self._add = self._function("add_fetch", kind, at, kind, order)
        self._exchange = self._function("exchange", kind, at, kind, order)
        self._compare = self._function(
            "compare_exchange", ctypes.c_bool, at, at, kind, order, order
        )

    def _function(self, name: str, result: Any, *arguments: Any) -> Any:
        prototype = ctypes.PYFUNCTYPE(result, *arguments)
        return prototype((f"__atomic_{name}_{self._size}", self._library))

    def load(self, index: int) -> int:
        value: int = self._load(self._address + index * self._size, _SEQUENTIAL)
        return value

    def store(self, index: int, value: int) -> None:
        self._store(self._address + index * self._size, value, _SEQUENTIAL)

    def add(self, index: int, amount: int) -> int:
        value: int = self._add(self._address + index * self._size, amount, _SEQUENTIAL)
        return value

    def exchange(self, index: int, value: int) -> int:
        before: int = self._exchange(self._address + index * self._size, value, _SEQUENTIAL)
        return before

    def compare_exchange(self, index: int, expected: int, value: int) -> bool:
        where = self._address + index * self._size
        wanted = self._kind(expected)
        was: bool = self._compare(where, ctypes.addressof(wanted), value, _SEQUENTIAL, _SEQUENTIAL)
        return was
