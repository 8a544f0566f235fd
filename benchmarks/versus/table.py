"""Every row, and what a run of them found, as tables and sentences."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import report
from benchmarks.versus import deaths, deploys, orphans, reloads, silence, spread, stop, wedge
from benchmarks.versus.contenders import EVERYONE
from benchmarks.versus.row import Outcome, Row

OURS = "prefork"
NOT_ASKED = ""  # the row says nothing about this server
ROWS: tuple[Row, ...] = (
    *reloads.ROWS,
    *deploys.ROWS,
    *stop.ROWS,
    *silence.ROWS,
    *deaths.ROWS,
    *wedge.ROWS,
    *orphans.ROWS,
    *spread.ROWS,
)
Found = Mapping[str, Mapping[str, Outcome]]  # by the row's title, then by server


def compared(
    cells: Mapping[str, Mapping[str, str]], caption: str = "", among: Sequence[str] = EVERYONE
) -> str:
    """Return the table of *cells*: by the row's title, then by server."""
    names = [name for name in among if any(name in row for row in cells.values())]
    rows = [[title, *(row.get(name, NOT_ASKED) for name in names)] for title, row in cells.items()]
    return str(report.Table(caption, ["2 workers", *names], rows)).strip()


def cells(found: Found) -> dict[str, dict[str, str]]:
    return {
        title: {name: outcome.cell for name, outcome in row.items()} for title, row in found.items()
    }


def meanings(rows: Sequence[Row] = ROWS) -> str:
    head = ["row", "what is done", "what the cell tells", "what prefork promises"]
    lines = [[row.title, row.done, row.counted, row.promise] for row in rows]
    return str(report.Table("## What each row is", head, lines))


def broken_promises(found: Found, rows: Sequence[Row] = ROWS) -> Iterator[str]:
    """Say where prefork is not as it promises."""
    for row in rows:
        outcome = found.get(row.title, {}).get(OURS)
        if outcome and not outcome.is_kept:
            yield f"not as promised: {row.title}: {outcome.cell}, where it must be: {row.promise}"


def raw(found: Found) -> dict[str, dict[str, Any]]:
    return {
        title: {name: {"cell": o.cell, "is_kept": o.is_kept, **o.facts} for name, o in row.items()}
        for title, row in found.items()
    }
