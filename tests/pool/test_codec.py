import functools
import os
from array import array
from typing import Any

import numpy
import pytest
from tests.pool import work

from prefork.pool import codec
from prefork.pool.codec import LARGE
from prefork.pool.engine import Call
from prefork.pool.errors import RemoteError, TaskCancelled


def view_of(array: Any) -> memoryview:
    return memoryview(array)


def carried(value: Any) -> Any:
    """Give it as a task gets it, by way of a file."""
    parcel = codec.pack_call(Call(work.give, (value,)))
    function, args, _ = codec.unpack(codec.filed(parcel))
    assert function is work.give
    return args[0]


def test_only_what_is_large_travels_beside_the_pickle() -> None:
    small, large = numpy.zeros(LARGE // 8 - 1), numpy.zeros(LARGE // 8)
    assert codec.pack(small).buffers == []
    parcel = codec.pack([small, large, large[:5]])
    assert [each.nbytes for each in parcel.buffers] == [LARGE]
    assert len(parcel.body) < LARGE + 1000  # the small one, and what is said of the others


@pytest.mark.parametrize("size", [0, 100, LARGE, 3 * LARGE + 5])
def test_bytes_arrive_as_they_were(size: int) -> None:
    data = os.urandom(size)
    assert carried(data) == data
    assert type(carried(data)) is bytes
    assert carried(memoryview(data)).tobytes() == data
    assert type(carried(bytearray(data))) is bytearray


def test_a_parcel_that_is_changed_changes_nobody_elses() -> None:
    array = numpy.arange(LARGE, dtype="int64")
    parcel = codec.filed(codec.pack(array))
    copies = [codec.unpack(parcel) for _ in range(2)]
    copies[0][0] = 99
    assert copies[1][0] == 0
    assert array[0] == 0


def test_a_file_is_closed_with_the_last_that_has_it() -> None:
    before = len(os.listdir("/dev/fd"))
    parcel = codec.filed(codec.pack(numpy.zeros(LARGE)))
    array = codec.unpack(parcel)
    del parcel
    assert len(os.listdir("/dev/fd")) == before + 1  # of the mapping
    del array
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize("count", [0, 6, LARGE])
def test_a_view_keeps_its_items(count: int) -> None:
    doubles = array("d", range(count))
    got = carried(memoryview(doubles))
    assert (got.format, len(got)) == ("d", count)
    assert got.tolist() == doubles.tolist()


@pytest.mark.parametrize("shape", [(2, 3), (LARGE, 2), ()], ids=["small", "large", "scalar"])
def test_a_view_keeps_its_shape(shape: tuple[int, ...]) -> None:
    numbers: Any = numpy.arange(numpy.prod(shape, dtype=int), dtype="int32").reshape(shape)
    got = carried(memoryview(numbers))
    assert (got.format, got.shape) == ("i", shape)
    assert got.tolist() == numbers.tolist()


@pytest.mark.parametrize(
    "view",
    [
        memoryview(bytes(10))[::2],
        view_of(numpy.zeros((2, 3), order="F")),
        view_of(numpy.zeros(3, dtype=">i4")),
    ],
    ids=["gaps", "columns", "format"],
)
def test_a_view_that_would_arrive_as_another_is_refused_by_name(view: memoryview) -> None:
    with pytest.raises(TypeError, match=r"argument 1 of tests\.pool\.work:give"):
        codec.pack_call(Call(work.give, (view,)))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (work.give, "tests.pool.work:give"),
        (functools.partial(work.give, 1), "tests.pool.work:give"),
        (len, "builtins:len"),
        (str.upper, "builtins:str.upper"),
        ("a".upper, "builtins:str.upper"),
        (work.Inert(), "tests.pool.work:Inert"),
    ],
    ids=["function", "partial", "builtin", "descriptor", "bound", "instance"],
)
def test_a_function_has_a_name(function: Any, name: str) -> None:
    assert codec.name_of(function) == name


def raised() -> BaseException:
    try:
        work.raise_peculiar(4)
    except work.PeculiarError as error:
        return error
    raise AssertionError


def test_an_exception_comes_with_the_traceback_of_its_own() -> None:
    restored = codec.unpack_error(codec.pack_error(raised(), __file__))
    assert isinstance(restored, work.PeculiarError)
    assert isinstance(restored.__cause__, RemoteError)
    assert "raise PeculiarError(number)" in restored.__cause__.traceback
    assert "test_codec.py" not in restored.__cause__.traceback


@pytest.mark.parametrize(
    "error",
    [
        work.StubbornError(1, 2),
        TaskCancelled(),
        KeyboardInterrupt(),
        Exception(work.Inert()),
        work.FrozenError(1),
        work.DisobligingError(),
    ],
)
def test_what_can_not_or_must_not_be_raised_here_is_told(error: BaseException) -> None:
    """An exit or an interrupt would end more than who waits for the task."""
    assert isinstance(codec.unpack_error(codec.pack_error(error, __file__)), RemoteError)


def test_an_exception_that_can_not_say_what_it_is_is_told_all_the_same() -> None:
    restored = codec.unpack_error(codec.pack_error(work.SpeechlessError(), __file__))
    assert isinstance(restored, work.SpeechlessError)
    assert "SpeechlessError: <exception str() failed>" in str(restored.__cause__)


def test_an_exception_that_says_a_lot_travels_by_a_file() -> None:
    parcel = codec.pack_error(work.PeculiarError("x" * LARGE), __file__)
    assert parcel.is_large
    assert isinstance(codec.unpack_error(codec.filed(parcel)), work.PeculiarError)
