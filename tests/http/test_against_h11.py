"""We understand what h11 does, but for what `differences` names."""

import random

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.http import fuzz
from tests.http.corpus import Case, post
from tests.http.differences import MORE_LENIENT, STRICTER, difference
from tests.http.grammar import mutated
from tests.http.refused import REFUSED
from tests.http.requests import GET
from tests.http.served import SERVED, TOLERATED

SETTINGS = settings(suppress_health_check=list(HealthCheck))
MUTANTS = 2000  # about two seconds
SEED = 20_261


@settings(SETTINGS, max_examples=300)
@given(mutated())
def test_we_understand_what_h11_does(data: bytes) -> None:
    event(difference(data) or "no difference")


@pytest.mark.slow
@settings(SETTINGS, max_examples=10_000)
@given(mutated())
def test_we_understand_what_h11_does_at_length(data: bytes) -> None:
    difference(data)


@pytest.mark.parametrize("case", [*SERVED, *TOLERATED, *REFUSED], ids=repr)
def test_the_cases_are_understood_alike(case: Case) -> None:
    difference(case.data)
    difference(case.data + GET)


def test_mutants_of_the_cases_are_understood_alike() -> None:
    source = random.Random(SEED)
    for _ in range(MUTANTS):
        difference(fuzz.mutated(source))


@given(st.binary(max_size=40))
def test_noise_is_understood_alike(noise: bytes) -> None:
    difference(GET + noise)


def test_a_difference_without_a_name_is_found() -> None:
    for table, data in ((STRICTER, b"FOO" + GET[3:]), (MORE_LENIENT, b"\n" + GET)):
        why = difference(data)
        known = table.pop(why)
        try:
            with pytest.raises(AssertionError, match="not explained"):
                difference(data)
        finally:
            table[why] = known
    assert difference(post(b"Content-Length: 1") + b"x" + GET) == ""
