"""What is kept, and what is too much of it."""

import os

import pytest

from prefork.errors import SharedMemoryError
from prefork.memory.store import MOST_BYTES, MOST_IN_ALL, MOST_KEYS, Store, whole


def test_a_key_has_the_same_memory_for_whoever_asks(own: Store) -> None:
    descriptor = own.take("a", 24)
    assert own.take("a", 24) == descriptor != own.take("b", 24)
    assert os.fstat(descriptor).st_size == whole(24) == 32
    assert whole(25) == 40


def test_another_size_is_refused_with_both(own: Store) -> None:
    own.take("sums", 24)
    with pytest.raises(SharedMemoryError, match="the key 'sums' has 24 bytes, not 8"):
        own.take("sums", 8)


@pytest.mark.parametrize(
    ("key", "size", "reason"),
    [
        ("", 8, "a key has 1 to 200 bytes: ''"),
        ("é" * 101, 8, "a key has 1 to 200 bytes"),
        ("a", 0, r"'a' wants 0 bytes; each has 1 to 67108864 \(64 MiB\)"),
        ("a", -8, "wants -8 bytes"),
        ("a", MOST_BYTES + 1, "'a' wants 67108865 bytes"),
    ],
    ids=["no key", "long key", "nothing", "less", "too much"],
)
def test_what_is_no_key_or_no_size_is_refused(own: Store, key: str, size: int, reason: str) -> None:
    with pytest.raises(SharedMemoryError, match=reason):
        own.take(key, size)


def test_one_key_too_many_is_refused_and_those_there_are_go_on(own: Store) -> None:
    for number in range(MOST_KEYS):
        own.take(str(number), 8)
    with pytest.raises(SharedMemoryError, match="'more' is one too many: there are 256"):
        own.take("more", 8)
    own.take("0", 8)


def test_too_much_in_all_is_refused_with_what_is_left(own: Store) -> None:
    for number in range(MOST_IN_ALL // MOST_BYTES - 1):
        own.take(str(number), MOST_BYTES)
    own.take("small", 100)
    left = MOST_BYTES - 100
    with pytest.raises(SharedMemoryError, match=rf"{left} are left of 268435456 \(256 MiB\)"):
        own.take("last", MOST_BYTES)
    own.take("last", left)
