import random

import pytest
from tests.http import fuzz
from tests.http.fuzz import examine, flood, main, mutated
from tests.http.requests import GET

SEED = 20_260  # fixed: a test that fails is to fail again; `make fuzz` draws others


def test_mutants_are_understood_alike_in_any_pieces_and_nothing_else_is_raised() -> None:
    found = main(3.0, SEED)
    assert found.total() > 100
    assert {None, 400} <= set(found)


@pytest.mark.slow
def test_mutants_are_understood_alike_for_a_minute() -> None:
    main(60.0, SEED + 1)


def test_a_seed_makes_the_same_inputs() -> None:
    first, second = ([mutated(random.Random(SEED)) for _ in range(2)] for _ in range(2))
    assert first == second


def test_what_depends_on_the_pieces_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "outcome", lambda pieces, **_: (pieces, None, False))
    with pytest.raises(AssertionError):
        examine(GET, random.Random(SEED))


@pytest.mark.parametrize(
    "data",
    [b"\r\n", GET, GET[:-2], b"GET / HTTP/1.1\r\nX: y\r\n", b"X: y\r\n", b"1\r\nx\r\n", GET * 300],
    ids=repr,
)
def test_nothing_makes_a_connection_grow(data: bytes) -> None:
    flood(data, 20_000 // len(data) + 100)
    flood(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + data, 100)
