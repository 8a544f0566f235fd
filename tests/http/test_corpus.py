"""Every case of the corpus, whole and in pieces, alone and after others."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.http.corpus import Case
from tests.http.refused import REFUSED
from tests.http.requests import GET
from tests.http.served import SERVED, TOLERATED
from tests.http.understanding import outcome, seen

UNDERSTOOD = [*SERVED, *TOLERATED]
ALL = [*UNDERSTOOD, *REFUSED]
ENDS = 100  # bytes at which a long case is cut everywhere; between them it is every so often
STEP = 1009


def cuts(size: int) -> Iterator[int]:
    """Where to cut so many bytes in two."""
    for at in range(1, size):
        if at < ENDS or size - at < ENDS or at % STEP == 0:
            yield at


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in ALL]
    assert sorted(set(names)) == sorted(names)
    assert all(case.rfc.startswith("RFC ") for case in ALL)


@pytest.mark.parametrize("case", UNDERSTOOD, ids=repr)
def test_a_valid_request_is_understood(case: Case) -> None:
    understood, status, unfinished = seen(case.data)
    assert (understood, status, unfinished) == (list(case.seen), None, False)


@pytest.mark.parametrize("case", REFUSED, ids=repr)
def test_an_invalid_request_is_refused(case: Case) -> None:
    understood, status, _ = seen(case.data)
    assert (understood, status) == ([], case.status)


@pytest.mark.parametrize("case", REFUSED, ids=repr)
def test_what_came_before_an_invalid_request_is_understood(case: Case) -> None:
    understood, status, _ = seen(GET + GET + case.data)
    assert (understood, status) == ([("GET", "/", b"")] * 2, case.status)


@pytest.mark.parametrize("case", ALL, ids=repr)
def test_wherever_it_is_cut_in_two_the_outcome_is_the_same(case: Case) -> None:
    data, whole = case.data, outcome([case.data])
    for at in cuts(len(data)):
        assert outcome([data[:at], data[at:]]) == whole, at


@pytest.mark.parametrize("case", ALL, ids=repr)
def test_byte_by_byte_gives_the_same(case: Case) -> None:
    data = case.data
    assert outcome([data[i : i + 1] for i in range(len(data))]) == outcome([data])


@settings(max_examples=500)
@given(st.data())
def test_the_outcome_does_not_depend_on_how_the_bytes_are_split(data: st.DataObject) -> None:
    several = st.lists(st.sampled_from(ALL), min_size=1, max_size=4)
    sent = b"".join(case.data for case in data.draw(several))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(sent)), max_size=8)))
    pieces = [sent[i:j] for i, j in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    limits = data.draw(st.sampled_from([{}, {"body": 4}, {"headers_size": 200, "headers": 4}]))
    assert outcome(pieces, **limits) == outcome([sent], **limits)
