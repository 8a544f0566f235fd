"""Sleep in the kernel until another process says that a word of shared memory has changed."""

import ctypes
import platform
import sys
from functools import cache
from typing import Any

# futex(2) has no wrapper in the C library; by machine, its number in <asm/unistd.h>.
_NUMBERS = {
    "x86_64": 202,
    "aarch64": 98,
    "riscv64": 98,
    "loongarch64": 98,
    "ppc64le": 221,
    "s390x": 238,
}
_WAIT, _WAKE = 0, 1  # both without FUTEX_PRIVATE_FLAG: the word is other processes' too
_ALL = 2**31 - 1
_64_BITS = 2**32


@cache
def _call() -> Any:
    """Give a function, which lets other threads run; None where there is no futex."""
    number = _NUMBERS.get(platform.machine())
    if sys.platform != "linux" or number is None or sys.maxsize < _64_BITS:
        return None
    syscall = ctypes.CDLL(None).syscall
    syscall.argtypes = [
        ctypes.c_long,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_uint32,
        ctypes.c_void_p,
    ]
    syscall.restype = ctypes.c_long

    def call(address: int, operation: int, value: int) -> int:
        result: int = syscall(number, address, operation, value, None)
        return result

    return call


@cache
def is_there() -> bool:
    """Whether this system has it; a sandbox may refuse it."""
    word = ctypes.c_uint32()
    return _call() is not None and _call()(ctypes.addressof(word), _WAKE, 1) == 0


def wait(address: int, value: int) -> None:
    """Sleep, in this thread, until woken; not at all where something else than *value* is there."""
    _call()(address, _WAIT, value)


def wake(address: int) -> None:
    """Wake all who sleep on this word, in any process."""
    _call()(address, _WAKE, _ALL)
