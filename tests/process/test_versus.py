"""`make versus`: each of its rows, in small, finds prefork as it promises to be."""

import pytest
from benchmarks.versus import deploys
from benchmarks.versus.contenders import CONTENDERS
from benchmarks.versus.row import SHORT, Row
from benchmarks.versus.table import OURS, ROWS

(PREFORK,) = (contender for contender in CONTENDERS if contender.name == OURS)
SLOW = {deploys.SLOW.title: [pytest.mark.slow]}  # that of broken code is its short form


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.title, marks=SLOW.get(row.title, [])) for row in ROWS]
)
def test_prefork_is_as_it_promises(row: Row) -> None:
    outcome = row.run(PREFORK, SHORT)
    assert outcome.is_kept, outcome
