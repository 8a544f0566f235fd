"""Letters: the same however their bytes arrive, and nothing from garbage."""

import gc
import os
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.errors import RemoteError
from prefork.wire import descriptors, letters
from prefork.wire.letters import MAX_DESCRIPTORS, MAX_PAYLOAD, Kind, Letter, Sorter, head

HEAD = 11  # bytes

numbers = st.integers(0, 2**32 - 1)
some = st.lists(
    st.builds(Letter, st.integers(0, 255), numbers, st.binary(max_size=300)), max_size=6
)


def framed(letter: Letter) -> bytes:
    return encode(letter.kind, letter.number, letter.payload, len(letter.descriptors))


def encode(kind: int, number: int, payload: bytes | bytearray, descriptors: int = 0) -> bytes:
    return head(kind, number, len(payload), descriptors) + payload


@given(sent=some, size=st.integers(1, 50))
def test_letters_survive_any_split(sent: list[Letter], size: int) -> None:
    stream = b"".join(map(framed, sent))
    sorter = Sorter()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [each for piece in pieces for each in sorter.feed(piece)] == sent


@given(garbage=st.binary(min_size=HEAD, max_size=200))
def test_garbage_is_refused_or_waited_for_and_never_crashes(garbage: bytes) -> None:
    count, length = garbage[6], int.from_bytes(garbage[7:HEAD])
    if garbage[0] == letters.VERSION and not count and length <= MAX_PAYLOAD:
        assert len(Sorter().feed(garbage[: HEAD + length])) == (len(garbage) >= HEAD + length)
    else:
        with pytest.raises(RemoteError, match="letter"):
            Sorter().feed(garbage)


def test_a_letter_cut_anywhere_is_waited_for() -> None:
    whole = framed(Letter(Kind.MESSAGE, 0, b"hello"))
    for end in range(len(whole)):
        sorter = Sorter()
        assert sorter.feed(whole[:end]) == []
        assert sorter.feed(whole[end:]) == [Letter(Kind.MESSAGE, 0, b"hello")]


@pytest.mark.parametrize("seed", range(200))
def test_a_mutant_is_refused_or_read_and_keeps_no_descriptor(seed: int) -> None:
    chance = random.Random(seed)
    stream = bytearray()
    for number in range(chance.randint(1, 4)):
        stream += encode(Kind.REQUEST, number, chance.randbytes(chance.randint(0, 40)), number % 2)
    for _ in range(chance.randint(1, 4)):
        stream[chance.randrange(len(stream))] = chance.randrange(256)
    before = descriptors.count_open()
    sorter = Sorter()
    try:
        while stream:
            size = chance.randint(1, 30)
            given = [os.dup(0)] if chance.random() < 0.3 else []
            for letter in sorter.feed(bytes(stream[:size]), given):
                descriptors.close_all(letter.descriptors)
            del stream[:size]
    except RemoteError:
        pass
    sorter.close()
    assert descriptors.count_open() == before


def test_another_version_is_refused() -> None:
    with pytest.raises(RemoteError, match="version 2"):
        Sorter().feed(b"\x02" + bytes(HEAD))


def test_what_is_too_long_is_refused_before_it_is_buffered() -> None:
    said = bytearray(head(Kind.MESSAGE, 0, 0))
    said[7:HEAD] = (MAX_PAYLOAD + 1).to_bytes(4)
    with pytest.raises(RemoteError, match="length"):
        Sorter().feed(bytes(said))


def test_what_is_too_large_has_no_head() -> None:
    assert len(head(Kind.MESSAGE, 0, MAX_PAYLOAD)) == HEAD
    with pytest.raises(ValueError, match=f"at most {MAX_PAYLOAD} bytes, and this is"):
        head(Kind.MESSAGE, 0, MAX_PAYLOAD + 1)
    with pytest.raises(ValueError, match=f"takes {MAX_DESCRIPTORS} descriptors along, not 254"):
        head(Kind.MESSAGE, 0, 0, MAX_DESCRIPTORS + 1)


# -- descriptors -------------------------------------------------------------


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    gc.collect()  # what other tests left is not closed meanwhile
    before = descriptors.count_open()
    yield
    assert descriptors.count_open() == before


def test_descriptors_are_their_letters_wherever_it_is_cut() -> None:
    plain, laden = Letter(1, 0, b"a"), Letter(1, 0, b"bc", [7])
    stream = framed(plain) + framed(laden) + framed(plain)
    start = HEAD + 1  # of the one that has them
    for end in range(start + 1, len(stream) + 1):
        sorter = Sorter()
        [given] = descriptors.duplicates([0])
        read = sorter.feed(stream[:end], [given]) + sorter.feed(stream[end:])
        assert read == [plain, Letter(1, 0, b"bc", [given]), plain]
        os.close(given)


def test_descriptors_that_came_one_after_another_are_told_apart() -> None:
    stream = framed(Letter(1, 0, b"long", [0])) + framed(Letter(1, 1, b"", [0, 0]))
    sorter = Sorter()
    one, *two = descriptors.duplicates([0, 0, 0])
    assert sorter.feed(stream[:5], [one]) == []
    assert sorter.feed(stream[5 : HEAD + 2]) == []
    read = sorter.feed(stream[HEAD + 2 :], two)
    assert read == [Letter(1, 0, b"long", [one]), Letter(1, 1, b"", two)]
    descriptors.close_all([one, *two])


def test_a_letter_whose_descriptors_were_lost_is_dropped_and_counted() -> None:
    sorter = Sorter()
    lost, next_one = Letter(1, 1, b"lost", [0, 0]), Letter(1, 2, b"here", [0])
    assert sorter.feed(framed(lost), descriptors.duplicates([0]), is_cut=True) == []
    [given] = descriptors.duplicates([0])
    assert sorter.feed(framed(next_one), [given]) == [Letter(1, 2, b"here", [given])]
    assert sorter.lost == 1
    os.close(given)


@pytest.mark.parametrize(("told", "given"), [(1, 0), (0, 1), (2, 1), (1, 2)])
def test_what_comes_with_other_descriptors_than_it_says_is_refused(told: int, given: int) -> None:
    sorter = Sorter()
    before = framed(Letter(1, 0, b"x", [0]))
    [good] = descriptors.duplicates([0])
    stream = before + encode(1, 0, b"", told) + encode(1, 0, b"")
    assert sorter.feed(stream[:5], [good]) == []
    with pytest.raises(RemoteError, match="descriptors"):
        sorter.feed(stream[5:], descriptors.duplicates([0] * given))


def test_descriptors_within_a_letter_are_refused() -> None:
    sorter = Sorter()
    assert sorter.feed(encode(1, 0, b"hello")[:-1]) == []
    with pytest.raises(RemoteError, match="with no letter"):
        sorter.feed(b"", descriptors.duplicates([0]))


def test_closing_closes_what_came_with_what_is_not_whole() -> None:
    for end in (3, HEAD, HEAD + 2):
        sorter = Sorter()
        sorter.feed(framed(Letter(1, 0, b"long", [0]))[:end], descriptors.duplicates([0]))
        sorter.close()
