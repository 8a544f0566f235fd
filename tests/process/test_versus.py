"""`make versus`: each of its rows, in small, finds prefork as it promises to be."""

import pytest
from benchmarks.versus import deploys, reloads, silence, wedge
from benchmarks.versus.contenders import CONTENDERS
from benchmarks.versus.row import SHORT, Row
from benchmarks.versus.table import OURS, ROWS

(PREFORK,) = (contender for contender in CONTENDERS if contender.name == OURS)
_, KEPT = reloads.ROWS
# They take seconds, and a quick test has their fact: the row of broken code, test_hand_back,
# test_stop, test_stuck.
SLOW = (deploys.SLOW, KEPT, *silence.ROWS, *wedge.ROWS)


def case(row: Row) -> object:
    return pytest.param(row, id=row.title, marks=[pytest.mark.slow] if row in SLOW else [])


@pytest.mark.parametrize("row", [case(row) for row in ROWS])
def test_prefork_is_as_it_promises(row: Row) -> None:
    outcome = row.run(PREFORK, SHORT)
    assert outcome.is_kept, outcome
