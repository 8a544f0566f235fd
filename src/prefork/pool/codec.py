"""How calls, results and exceptions travel: as a pickle, with large buffers beside it.

Only processes of one instance read these, from lines that its primary has laid between them.
"""

import errno
import mmap
import os
import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from prefork.pool.account import headline, traceback_of
from prefork.pool.engine import Call
from prefork.pool.errors import RemoteError
from prefork.pool.wrapping import Bytes, View
from prefork.wire.descriptors import close_all
from prefork.wire.nameless import nameless_file

LARGE = 64 * 1024  # bytes; what is smaller is copied into the pickle, which costs less than a file
_PROTOCOL = 5  # PEP 574

Buffer = memoryview


class File:
    """A file in memory without a name, which is closed with the last that has this."""

    __slots__ = ("descriptor",)

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        close_all([self.descriptor])


class Parcel(msgspec.Struct, frozen=True):  # made three times as fast as a tuple
    """*buffers*: those that are large, in the order in which the pickle wants them. *file*: has all
    of it, in pieces of these *sizes*; then *body* and *buffers* are empty."""

    body: bytes = b""
    buffers: Sequence[Buffer] = ()
    file: File | None = None
    sizes: Sequence[int] = ()

    @property
    def is_large(self) -> bool:
        """Whether it is to be written to a file."""
        return bool(self.buffers) or len(self.body) > LARGE


EMPTY = Parcel()


def pack(value: Any) -> Parcel:
    """Pickle a value. Raises what its own reduction does, PicklingError, or RecursionError."""
    found: list[pickle.PickleBuffer] = []
    body = pickle.dumps(value, _PROTOCOL, buffer_callback=found.append)
    if not found:
        return Parcel(body)
    buffers: list[Buffer] = []

    def is_small(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < LARGE:
            return True
        buffers.append(raw)
        return False

    return Parcel(pickle.dumps(value, _PROTOCOL, buffer_callback=is_small), buffers)


def unpack(parcel: Parcel) -> Any:
    """Give the value back. Raises whatever its own restoration does; MemoryError, OSError."""
    body, buffers = _opened(parcel)
    return pickle.loads(body, buffers=buffers)


def restored(parcel: Parcel, what: str, whose: object) -> Any:
    """Give back what users' code is to restore. Raises RemoteError, whatever that raises.

    An exit in there would end the event loop, or all else that was read with it. *whose* words are
    asked for only where they are needed.
    """
    try:
        return unpack(parcel)
    except BaseException as error:  # noqa: BLE001 - as above
        reason = f"{what} of {whose} can't be read here: {headline(error)}"
        remote = RemoteError(reason, traceback_of(error, __file__))
    raise remote


def _carried(value: Any) -> Any:
    kind = type(value)
    if kind is bytes:
        return Bytes(value) if len(value) >= LARGE else value
    return View(value) if kind is memoryview else value


# -- calls -------------------------------------------------------------------


def pack_call(call: Call) -> Parcel:
    """Raises TypeError that names what can't be given to another process, and why."""
    args = tuple(map(_carried, call.args))
    kwargs = {name: _carried(value) for name, value in call.kwargs.items()} if call.kwargs else {}
    try:
        return pack((call.function, args, kwargs))
    except Exception as error:
        raise TypeError(_culprit(call, error)) from error


def _culprit(call: Call, error: Exception) -> str:
    name = name_of(call.function)
    if (reason := _refusal(call.function)) is not None:
        return (
            f"{name} can't be run in the pool, for it is not importable there ({reason}): "
            "define it at the top of a module"
        )
    named = [(f"argument {n}", each) for n, each in enumerate(call.args, 1)]
    named += [(f"argument {key!r}", each) for key, each in call.kwargs.items()]
    for which, each in named:
        if (reason := _refusal(_carried(each))) is not None:
            return f"{which} of {name} can't be given to another process: {reason}"
    return f"{name} can't be called in another process: {headline(error)}"


def _refusal(value: Any) -> str | None:
    try:
        pack(value)
    except Exception as error:  # noqa: BLE001 - a reduction of the user's may raise anything
        return headline(error)
    return None


def name_of(function: Callable[..., Any]) -> str:
    """What a function is called, as "module:name"."""
    inner = getattr(function, "func", function)  # of a functools.partial
    named = inner if hasattr(inner, "__qualname__") else type(inner)
    module = getattr(named, "__module__", None)
    if module is None:  # a builtin type's method
        module = getattr(named, "__objclass__", type(named)).__module__
    return f"{module}:{named.__qualname__}"


# -- outcomes ----------------------------------------------------------------


def pack_result(function: Callable[..., Any], result: Any) -> Parcel:
    """Raises TypeError where it can't travel."""
    try:
        return pack(_carried(result))
    except Exception as error:
        name, kind = name_of(function), type(result).__name__
        hint = ": the pool runs plain functions" if kind in ("coroutine", "async_generator") else ""
        hint = hint or (": see pool.stream" if kind == "generator" else f": {error}")
        raise TypeError(f"the result of {name}, a {kind}, can't be given back{hint}") from error


def pack_error(error: BaseException, *ours: str) -> Parcel:
    """*ours*: the files of whose frames the traceback is to say nothing."""
    text = traceback_of(error, *ours)
    try:
        inner = pickle.dumps(error, _PROTOCOL)
    except Exception:  # noqa: BLE001 - then the text alone travels
        inner = b""
    return Parcel(pickle.dumps((headline(error), text, inner), _PROTOCOL))


def unpack_error(parcel: Parcel) -> BaseException:
    """Give the exception itself, with its remote traceback as cause; else that alone."""
    try:
        summary, text, inner = restored(parcel, "the exception", "a task")
    except RemoteError as unread:
        return unread.with_traceback(None)
    remote = RemoteError(summary, text)
    with suppress(BaseException):  # its class isn't known here, or does what it likes
        error = pickle.loads(inner)
        if isinstance(error, Exception):  # others would end more than who waits for the task
            error.__cause__ = remote  # which one that is frozen refuses
            return error
    return remote


# -- files -------------------------------------------------------------------


def filed(parcel: Parcel) -> Parcel:
    """Write it into a file. Raises OSError.

    By write(2): 21 to 28 ms for 50 MB, where a copy into a mapping took 40 to 52.
    """
    file = File(nameless_file("task", 0))
    pieces = [memoryview(parcel.body), *parcel.buffers]
    for piece in pieces:
        rest = piece
        while rest:
            rest = rest[os.write(file.descriptor, rest) :]
    return Parcel(file=file, sizes=[piece.nbytes for piece in pieces])


def _opened(parcel: Parcel) -> tuple[bytes | memoryview, Sequence[Buffer]]:
    """Map what is in a file, privately: who gets it may write to it, and nobody else sees that."""
    if parcel.file is None:
        return parcel.body, parcel.buffers
    try:
        memory = mmap.mmap(parcel.file.descriptor, sum(parcel.sizes), access=mmap.ACCESS_COPY)
    except OSError as error:
        if error.errno == errno.ENOMEM:  # `pool_memory_limit`, too
            raise MemoryError(f"no room for {sum(parcel.sizes)} bytes that were passed") from None
        raise
    mapped, start, pieces = memoryview(memory), 0, []
    for size in parcel.sizes:
        pieces.append(mapped[start : start + size])
        start += size
    body, *buffers = pieces
    return body, buffers
