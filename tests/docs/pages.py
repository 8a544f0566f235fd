"""A migration page as data: the rows of its tables of options, its commands, its files."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.program import ROOT

HOWTO = ROOT / "docs" / "howto"
OPTIONS_TABLE = "such as"  # what the last column of a table of options is headed
_CELL = re.compile(r"(?<!\\)\|")
_CODE = re.compile(r"`([^`]+)`")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELL = re.compile(r" (?:\d*>|\||&&|#).*")  # what a shell makes of the rest of a line


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table of options."""

    section: str
    theirs: tuple[str, ...]  # all that may be typed there
    in_file: str  # the name in their configuration file, where there is such a column
    ours: str
    example: str  # what is typed here after `prefork serve app:app`

    def __str__(self) -> str:
        return " ".join(self.theirs) or self.in_file


def rows(page: Path) -> list[Row]:
    """Every row of every table of options. Raises ValueError for one of the wrong width."""
    section, width, found = "", 0, []
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in _CELL.split(line)[1:-1]]
        if line.startswith("#"):
            section = line.lstrip("# ")
        if not cells:
            width = 0
        elif cells[-1] == OPTIONS_TABLE:
            width = len(cells)
        elif width and not cells[0].startswith("---"):
            if len(cells) != width:
                raise ValueError(f"{page.name}: a row of {len(cells)} cells, not {width}: {line}")
            found.append(_row(section, cells))
    return found


def _row(section: str, cells: list[str]) -> Row:
    theirs, *in_file, ours, example = cells
    name = code(in_file[0]) if in_file else []
    return Row(section, tuple(code(theirs)), "".join(name), ours, "".join(code(example)))


def code(text: str) -> list[str]:
    """What stands between backticks."""
    return [each.replace(r"\|", "|") for each in _CODE.findall(text)]


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every prefork command that the page shows, in its text or in a block."""
    text = page.read_text()
    shown = [line for kind, block in _BLOCK.findall(text) if not kind for line in block.split("\n")]
    for each in [*code(_BLOCK.sub("", text)), *shown]:
        line = _SHELL.sub("", each.replace("\n", " "))
        if line.startswith("prefork "):
            yield shlex.split(line)[1:]


def blocks(page: Path, language: str) -> list[str]:
    return [block for kind, block in _BLOCK.findall(page.read_text()) if kind == language]
