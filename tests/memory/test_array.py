"""An array as a list, as a buffer, and as numbers that nobody else's change is lost of."""

import asyncio
import os
import pickle
from typing import Any

import pytest
from tests.memory.children import exit_codes, fork

from prefork import SharedArray
from prefork.errors import SharedMemoryError
from prefork.memory import native, source
from prefork.memory.array import SIZES
from prefork.memory.cells import ATOMIC
from prefork.memory.source import Grant
from prefork.memory.store import Store

WHOLE = [code for code in SIZES if code not in "fd"]


def made(typecode: Any, length: int = 3) -> SharedArray[int]:
    array: SharedArray[int] = SharedArray(f"of {typecode}", typecode, length)
    return array


# -- as a list ---------------------------------------------------------------


@pytest.mark.parametrize("typecode", SIZES)
def test_it_is_a_list_of_zeros_that_is_written_and_read(typecode: str) -> None:
    array = made(typecode)
    assert list(array) == array[:] == [0, 0, 0]
    array[0], array[-1] = 1, 2
    array[1:2] = [7]
    assert (len(array), array[0], array[1:]) == (3, 1, [7, 2])
    assert 7 in array
    array[::2] = (5, 6)
    assert array[:] == [5, 7, 6]


@pytest.mark.parametrize("typecode", SIZES)
def test_its_memory_is_a_buffer_of_its_numbers(typecode: str) -> None:
    array = made(typecode)
    array.memory[1] = 9
    assert array[1] == 9
    assert (array.memory.format, array.memory.nbytes) == (typecode, 3 * SIZES[typecode])


def test_numpy_writes_into_it() -> None:
    numpy = pytest.importorskip("numpy")
    array = SharedArray("numbers", "d", 4)
    numpy.frombuffer(array.memory, "d")[:] = [1, 2, 3, 4]
    assert array[:] == [1.0, 2.0, 3.0, 4.0]


def test_what_does_not_fit_is_refused() -> None:
    array = made("i")
    with pytest.raises(ValueError, match="2 numbers for 1 places"):
        array[0:1] = [1, 2]
    with pytest.raises(IndexError):
        array[3] = 1
    with pytest.raises(ValueError, match="typecode is one of b B h"):
        made("l")
    with pytest.raises(ValueError, match="1 or more, not 0"):
        made("i", 0)


def test_two_of_one_key_are_the_same_and_of_another_size_refused() -> None:
    made("q")[1] = 5
    assert made("q")[1] == 5
    with pytest.raises(SharedMemoryError, match="'of q' has 24 bytes, not 32"):
        made("q", 4)[0]


def test_it_is_of_whatever_instance_its_process_has_come_to(
    atomics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a script with one pool after another; what the last has left can still be read."""
    stores = {name: Store(atomics) for name in ("", "one", "two")}

    def grant(instance: str, key: str, size: int) -> Grant:
        return Grant(os.dup(stores[instance].take(key, size)), atomics == "lock")

    monkeypatch.setattr(source, "grant", grant)
    monkeypatch.setattr(source, "_instance", "")
    array, named = made("q"), SharedArray("of q", "q", 3, instance="one")
    found = []
    for place in ("", "one", "", "two", ""):
        source.settle(place)
        found.append((array.load(0), array[0], array.memory[0]))
        array.add(0, 5)
    assert [each for each, *_ in found] == [0, 0, 5, 0, 5]
    assert all(len(set(each)) == 1 for each in found)
    assert named[0] == 10


def test_to_pickle_it_sends_the_key() -> None:
    array = made("q")
    array[2] = 8
    written = pickle.dumps(array)
    assert pickle.loads(written)[2] == 8
    assert len(pickle.dumps(made("Q", 100_000))) < len(written) + 10
    named = SharedArray("far", "q", 1, instance="shop")
    again = pickle.loads(pickle.dumps(named))
    assert again.__reduce__()[0].keywords == {"instance": "shop"}
    assert repr(again) == "SharedArray('far', 'q', 1)"


def test_a_forked_child_shares_what_its_parent_has_used() -> None:
    array = made("i")
    array[0] = 1
    assert exit_codes(fork(lambda: array.add(0, 41))) == [0]
    assert array[0] == 42


# -- without losing changes --------------------------------------------------


@pytest.mark.parametrize("typecode", ATOMIC)
def test_each_change_says_what_it_found_or_made(typecode: str) -> None:
    array = made(typecode)
    assert array.add(1, 5) == 5
    assert array.add(-2) == 6
    assert array.exchange(1, 7) == 6
    assert not array.compare_exchange(1, 6, 1)
    assert array.compare_exchange(1, 7, 1)
    array.store(2, 3)
    assert (array.load(1), array.load(2), array[:]) == (1, 3, [0, 1, 3])


@pytest.mark.parametrize("typecode", ATOMIC)
def test_the_extremes_fit_and_what_is_beyond_them_does_not(typecode: str) -> None:
    _, least, greatest = ATOMIC[typecode]
    array = made(typecode)
    for extreme in (least, greatest):
        array.store(0, extreme)
        assert array.load(0) == array[0] == extreme
        assert array.compare_exchange(0, extreme, extreme)
    for beyond in (least - 1, greatest + 1):
        for refused in (
            lambda value=beyond: array.store(0, value),
            lambda value=beyond: array.exchange(0, value),
            lambda value=beyond: array.compare_exchange(0, 0, value),
            lambda value=beyond: array.compare_exchange(0, value, 0),
        ):
            with pytest.raises(ValueError, match=f"{beyond} is no number"):
                refused()


@pytest.mark.parametrize("typecode", ATOMIC)
def test_a_sum_wraps_around(typecode: str) -> None:
    _, least, greatest = ATOMIC[typecode]
    array = made(typecode)
    array.store(0, greatest)
    assert array.add(0) == array[0] == least
    assert array.add(0, -1) == array[0] == greatest


def test_an_amount_may_be_of_any_size_and_is_whole() -> None:
    array = made("q")
    assert array.add(0, (5 << 64) + 7) == 7
    for does in (array.add, array.store, array.exchange):
        with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
            does(0, 1.5)  # type: ignore[arg-type]


def test_other_typecodes_and_places_are_refused() -> None:
    with pytest.raises(TypeError, match="i, I, q, Q, not h"):
        made("h").add(0)
    for place in (3, -4):
        with pytest.raises(IndexError, match=f"3 numbers, and none at {place}"):
            made("q").add(place)


# -- waiting -----------------------------------------------------------------


@pytest.mark.parametrize("typecode", ["B", "q", "d"])
def test_who_waits_gets_what_another_process_stored(typecode: str) -> None:
    array = made(typecode)

    def change() -> None:
        array[1] = 3
        array.notify(1)

    async def wait() -> float:
        waiting = asyncio.create_task(array.wait(1, 0, timeout=20))
        await asyncio.sleep(0)
        pid = fork(change)
        value = await waiting
        assert exit_codes(pid) == [0]
        return value

    assert asyncio.run(wait()) == 3


def test_a_wait_ends_by_its_timeout() -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(made("i").wait(0, 0, timeout=0.01))


@pytest.mark.parametrize("atomics", ["libatomic"], indirect=True)
def test_a_program_without_the_library_by_which_others_change_numbers_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(native, "_library", lambda: None)
    with pytest.raises(SharedMemoryError, match=r"numbers by libatomic\.so\.1, which this process"):
        made("q").load(0)
