"""The cells of a table for a reader: numbers, sizes and times, and the table itself."""

from collections.abc import Sequence

UNKNOWN = "-"
_BINARY = 1024


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; those of numbers are right-aligned."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    right = [all(_is_number(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(w) if r else cell.ljust(w)
            for cell, w, r in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def number(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def milliseconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f} ms"


def percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.0f} %"


def size(value: float | None) -> str:
    """Bytes, in the largest unit of which there is one."""
    if value is None:
        return UNKNOWN
    for unit in ("B", "KiB", "MiB"):
        if value < _BINARY:
            return f"{value:.0f} {unit}"
        value /= _BINARY
    return f"{value:.1f} GiB"


def duration(seconds: float | None) -> str:
    """The two largest units: 42s, 3m 07s, 5h 12m, 8d 04h."""
    if seconds is None:
        return UNKNOWN
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02}h"
    if hours:
        return f"{hours}h {minute:02}m"
    return f"{minutes}m {second:02}s" if minutes else f"{second}s"


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit() or cell == UNKNOWN
