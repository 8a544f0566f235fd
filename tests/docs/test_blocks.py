"""Every block of these pages does what its page says, in the page's order."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.reader import Reader
from tests.docs.steps import Block, steps
from tests.support.program import ROOT

README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial.md"
PROGRAMS = ROOT / "docs" / "howto" / "other-programs.md"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the pages ask with curl")
@pytest.mark.parametrize("page", [README, TUTORIAL, PROGRAMS], ids=lambda page: page.name)
def test_every_block_of_the_page_does_what_the_page_says(page: Path, reader: Reader) -> None:
    at = 1
    try:
        for step in steps(page):
            at = step.line if isinstance(step, Block) else at
            reader.follow(step)
        reader.finish()
    except AssertionError as error:
        error.add_note(f"{page.name}:{at}, or the sentences that follow that block")
        raise
