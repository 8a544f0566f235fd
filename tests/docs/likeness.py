"""Whether what a page shows is what a program said, but for numbers, times, paths and widths."""

import re
from collections.abc import Sequence

GAP = "…"  # a line of a page: here something was left out

_RULES = (
    (re.compile(r"\x1b\[[\d;]*m"), ""),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"\d\d/[A-Z][a-z]{2}/\d{4}:[\d:]+ [+-]\d{4}"), "TIME"),
    (re.compile(r"(?<![\w:/.])/(?:[\w.@+-]+/)+"), "FOLDER/"),
    (re.compile(r"\d+(?:\.\d+)*"), "N"),
    (re.compile(r"\s+"), " "),
)


def plain(line: str) -> str:
    """Return *line* without what differs from one run to the next."""
    for pattern, word in _RULES:
        line = pattern.sub(word, line)
    return line.strip()


def is_like(shown: str, said: Sequence[str]) -> bool:
    """Tell whether *said* is what *shown* says, from its first line to its last."""
    runs = _runs(shown)
    lines = [plain(line) for line in said]
    if len(runs) == 1:
        return lines == runs[0]
    head, *middle, tail = runs
    place = _after(middle, lines, len(head))
    return lines[: len(head)] == head and place is not None and _ends(lines[place:], tail)


def end_of(shown: str, said: Sequence[str], start: int = 0) -> int | None:
    """Return the index after the first lines of *said* from *start* on that *shown* shows."""
    return _after(_runs(shown), [plain(line) for line in said], start)


def _runs(shown: str) -> list[list[str]]:
    """Lines that follow each other immediately, between gaps."""
    runs: list[list[str]] = [[]]
    for line in shown.splitlines():
        if line.strip() == GAP:
            runs.append([])
        else:
            runs[-1].append(plain(line))
    return runs


def _after(runs: Sequence[list[str]], lines: list[str], start: int) -> int | None:
    place = start
    for run in runs:
        starts = range(place, len(lines) - len(run) + 1)
        found = next((i for i in starts if lines[i : i + len(run)] == run), None)
        if found is None:
            return None
        place = found + len(run)
    return place


def _ends(lines: list[str], tail: list[str]) -> bool:
    return not tail or lines[-len(tail) :] == tail
