import pytest

from prefork.core.wear import MEBI, Terms, Wear

FRESH = Wear(requests=0, seconds=0.0, memory=50 * MEBI)
OLD = Wear(requests=1000, seconds=3600.0, memory=200 * MEBI)


def test_without_terms_nobody_is_ever_worn() -> None:
    assert not Terms().has_any
    assert Terms().exceeded(2, OLD) == ""
    assert Terms().overgrown(OLD) == ""


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        (Terms(requests=1000), "1000 requests (max_requests)"),
        (Terms(lifetime=3000.0), "3600 s of life (max_lifetime)"),
        (Terms(memory=200 * MEBI), "200 MiB of memory (max_memory)"),
    ],
)
def test_each_limit_is_a_reason_of_its_own(terms: Terms, reason: str) -> None:
    assert terms.has_any
    assert terms.exceeded(2, FRESH) == ""
    assert terms.exceeded(2, OLD) == reason


def test_the_hard_limit_counts_even_without_the_other() -> None:
    terms = Terms(memory_hard=200 * MEBI)
    assert terms.has_any
    assert terms.overgrown(FRESH) == ""
    assert terms.overgrown(OLD) == "took 200 MiB of memory (max_memory_hard)"


def test_jitter_spreads_workers_over_what_was_allowed() -> None:
    terms = Terms(requests=1000, requests_jitter=100)

    def ends(id: int) -> int:
        counts = range(900, 1300)
        return next(n for n in counts if terms.exceeded(id, Wear(n, 0.0, 0)))

    drawn = [ends(id) for id in range(2, 34)]
    assert 1000 <= min(drawn) < 1010
    assert 1090 < max(drawn) <= 1100
    assert len(set(drawn)) > 25


def test_lifetimes_differ_by_up_to_a_tenth() -> None:
    terms = Terms(lifetime=1000.0)
    worn = [bool(terms.exceeded(id, Wear(0, 1050.0, 0))) for id in range(2, 34)]
    assert 8 < sum(worn) < 24
    assert all(terms.exceeded(id, Wear(0, 1100.0, 0)) for id in range(2, 34))
