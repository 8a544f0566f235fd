"""What a page of the documentation tells its reader to do, step by step."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"\s+#\s.*")
EDIT = re.compile(r"\b[Ii]n `([^`]+)`,\s+write\s+`([^`]+)`\s+for\s+`([^`]+)`")
KEY = re.compile(r"\bCtrl-C stops it\b")


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between fences, the paragraph that leads to it, and where it begins."""

    language: str
    text: str
    lead: str
    line: int

    @property
    def commands(self) -> list[str]:
        """The lines of a block of commands, without comments and placeholders."""
        lines = [COMMENT.sub("", line).replace(" [NAME]", "") for line in self.text.splitlines()]
        return [line for line in lines if line.strip()]


@dataclass(frozen=True, slots=True)
class Edit:
    """A sentence: In `FILE`, write `NEW` for `OLD`."""

    file: str
    new: str
    old: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """A sentence: Ctrl-C stops it."""


Step = Block | Edit | Interrupt


def steps(page: Path) -> list[Step]:
    """Return everything that *page* has its reader do, in order."""
    text, place, found = page.read_text(), 0, list[Step]()
    for fence in FENCE.finditer(text):
        prose = text[place : fence.start()]
        found += _said(prose)
        lead = prose.rstrip().rpartition("\n\n")[2]
        line = text.count("\n", 0, fence.start()) + 1
        found.append(Block(fence[1], fence[2], " ".join(lead.split()), line))
        place = fence.end()
    return found + list(_said(text[place:]))


def _said(prose: str) -> Iterator[Step]:
    by_place: dict[int, Step] = {m.start(): Edit(*m.groups()) for m in EDIT.finditer(prose)}
    by_place |= {m.start(): Interrupt() for m in KEY.finditer(prose)}
    yield from (by_place[place] for place in sorted(by_place))
