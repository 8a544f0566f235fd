"""Run the rows, write what was found, and fail where prefork is not as it promises.

python -m benchmarks.versus [NAME…]

A name is a server's, or part of a row's title; with names nothing is written.
"""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

from benchmarks import report
from benchmarks.versus import pages, table
from benchmarks.versus.contenders import CONTENDERS, Contender
from benchmarks.versus.row import FULL, Outcome, Row
from benchmarks.versus.table import ROWS, Found


def main(names: Sequence[str]) -> int | str:
    known = [*(each.name for each in CONTENDERS), *(row.title for row in ROWS)]
    if lost := [name for name in names if not any(name in each for each in known)]:
        return f"no server and no row is called {', '.join(lost)}"
    contenders = [each for each in CONTENDERS if each.name in names] or CONTENDERS
    rows = [row for row in ROWS if any(name in row.title for name in names)] or ROWS
    found = measure(rows, list(present(contenders)))
    print(table.compared(table.cells(found)))
    if not names:
        report.save("versus", table.raw(found))
        pages.write()
    return verdict(found)


def verdict(found: Found, rows: Sequence[Row] = ROWS) -> int:
    """Say where prefork is not as it promises; return the exit code."""
    broken = list(table.broken_promises(found, rows))
    print(*broken, sep="\n", end="\n" if broken else "", file=sys.stderr)
    return 1 if broken else 0


def present(contenders: Sequence[Contender]) -> Iterator[Contender]:
    for contender in contenders:
        if contender.is_here:
            yield contender
        else:
            print(f"{contender.name} is not here, and not measured", file=sys.stderr)


def measure(rows: Sequence[Row], contenders: Sequence[Contender]) -> dict[str, dict[str, Outcome]]:
    """Run each row on every server, in turn or, where it is quiet, on all at the same time."""
    found: dict[str, dict[str, Outcome]] = {}
    for row in rows:
        among = [each for each in contenders if each.name in row.among]
        with ThreadPoolExecutor(len(contenders) if row.is_quiet else 1) as threads:
            outcomes = threads.map(lambda each, row=row: attempt(row, each), among)
            found[row.title] = {each.name: o for each, o in zip(among, outcomes, strict=True)}
    return found


def attempt(row: Row, contender: Contender) -> Outcome:
    try:
        outcome = row.run(contender, FULL)
    except (
        OSError,
        HTTPException,
        AssertionError,
    ) as error:  # it did not come so far as to be measured
        outcome = Outcome(f"gave up: {error}", is_kept=False)
    print(f"{row.title}, {contender.name}: {outcome}", file=sys.stderr, flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
