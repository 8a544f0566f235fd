"""`make versus-node`: its page shows the results, and prefork is as it promises."""

import json

from benchmarks.versus_node import pages
from benchmarks.versus_node.contenders import BOTH
from benchmarks.versus_node.pages import ROWS


def test_the_results_have_every_row_and_every_promise_kept() -> None:
    rounds = json.loads(pages.RESULTS.read_text())["rounds"]
    assert {title: list(row) for title, row in rounds.items()} == {
        row.title: list(BOTH) for row in ROWS
    }
    assert [title for title, row in rounds.items() if not row["prefork"]["is_kept"]] == []


def test_the_page_shows_the_results() -> None:
    """`python -m benchmarks.versus_node.pages` writes it anew."""
    assert pages.PAGE.read_text() == pages.made()
