"""Run the rows, write what was found, and fail where prefork is not as it promises.

python -m benchmarks.versus_node [NAME…]

A name is part of a row's title, or prefork or node; with names nothing is written.
"""

import sys
from collections.abc import Sequence

from benchmarks import report
from benchmarks.versus import table
from benchmarks.versus.__main__ import measure, present, verdict
from benchmarks.versus_node import pages
from benchmarks.versus_node.contenders import BOTH, CONTENDERS
from benchmarks.versus_node.pages import ROWS


def main(names: Sequence[str]) -> int | str:
    known = [*BOTH, *(row.title for row in ROWS)]
    if lost := [name for name in names if not any(name in each for each in known)]:
        return f"no server and no row is called {', '.join(lost)}"
    contenders = list(present([c for c in CONTENDERS if c.name in names] or CONTENDERS))
    rows = [row for row in ROWS if any(name in row.title for name in names)] or ROWS
    found = measure(rows, contenders)
    print(table.compared(table.cells(found), among=BOTH))
    if not names and len(contenders) == len(BOTH):
        report.save("versus-node", table.raw(found))
        pages.write()
    return verdict(found, ROWS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
