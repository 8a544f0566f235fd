"""The comparison as people read it: made of the results, so that it says nothing else.

python -m benchmarks.versus.pages writes both pages anew, and measures nothing.
"""

import json
from collections.abc import Mapping
from typing import Any

from benchmarks import report
from benchmarks.versus import table
from benchmarks.versus.row import FULL, WORKERS
from tests.support.program import ROOT

RESULTS = report.RESULTS / "versus.json"
PAGE = report.RESULTS / "versus.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- made by `make versus` -->\n\n", "\n<!-- thus far -->\n"
METHOD = f"""\
{WORKERS} workers, but for the last row; everything else at its default, except for what a row says,
logs at warning or what shows a death. All serve the same ASGI application on the same CPython;
gunicorn by its own `asgi` worker, granian with `--respawn-failed-workers`, nginx a fixed answer
from its own configuration, and only where a row says something about it. prefork is told to reload
by `prefork reload --wait`, the others by SIGHUP, as their documentation says. The servers of a row
are measured one after the other or, in rows that only wait, at the same time. No client asks twice;
each has a source address of its own.

Repetitions: {FULL.reloads} reloads, at least {FULL.apart:.0f} s apart, and the next when no old
process answers; {FULL.kills} kills, as far apart; {FULL.silent} silent connections at a reload, and
as many at a stop; {FULL.arrivals} arrivals. The rest happens once: it fails always or never. Zero
against non-zero is the point; how much more than zero depends on the load.

`make versus` fails where a cell of prefork's is not what the last column of the second table
says."""


def made() -> str:
    """Return the page of the results."""
    results = json.loads(RESULTS.read_text())
    compared = table.compared(cells(results), "## What became of it")
    tables = [compared, table.meanings()]
    return report.page("When something goes wrong", METHOD, tables, results["machine"])


def short() -> str:
    """Return the table alone, as README.md shows it."""
    return table.compared(cells(json.loads(RESULTS.read_text()))) + "\n"


def shown() -> str:
    """Return the table that README.md shows."""
    return README.read_text().partition(BEGIN)[2].partition(END)[0]


def cells(results: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {
        title: {name: outcome["cell"] for name, outcome in row.items()}
        for title, row in results["rounds"].items()
    }


def write() -> None:
    PAGE.write_text(made())
    head, _, rest = README.read_text().partition(BEGIN)
    README.write_text(f"{head}{BEGIN}{short()}{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    write()
