"""The comparison as people read it: made of the results, so that it says nothing else.

python -m benchmarks.versus_node.pages writes the page anew, and measures nothing.
"""

import json

from benchmarks import report
from benchmarks.versus import pages, table
from benchmarks.versus.row import FULL, WORKERS, Row
from benchmarks.versus_node import cost, deaths, full, leaving
from benchmarks.versus_node.contenders import BOTH

ROWS: tuple[Row, ...] = (*deaths.ROWS, *full.ROWS, *leaving.ROWS, *cost.ROWS)
RESULTS = report.RESULTS / "versus-node.json"
PAGE = report.RESULTS / "versus-node.md"
METHOD = f"""\
One script in two languages, `benchmarks/versus_node/script.js` for Node's `cluster` and
`script.py` for prefork's, with {WORKERS} workers that serve HTTP with what each brings along: a
`cluster.fork()` for each, and another when one exits. Everything is at its default, policy `rr` in
both, but for what a row says. The clients are raw sockets on the same machine, none asks twice.

The last row takes the median of {FULL.rounds} rounds. The others happen once: they fail always or
never.

`make versus-node` fails where a cell of prefork's is not what the last column of the second table
says."""


def made() -> str:
    """Return the page of the results."""
    results = json.loads(RESULTS.read_text())
    compared = table.compared(pages.cells(results), "## What became of it", BOTH)
    tables = [compared, table.meanings(ROWS)]
    return report.page("What Node's cluster gets wrong", METHOD, tables, results["machine"])


def write() -> None:
    PAGE.write_text(made())


if __name__ == "__main__":
    write()
