"""Every command and every file that a page shows in passing is understood."""

from pathlib import Path

import pytest
from tests.docs.pages import HOWTO, blocks, commands
from tests.docs.reader import understand
from tests.support.program import ROOT

from prefork.settings import file
from prefork.settings.resolution import resolve

PAGES = [
    *sorted(HOWTO.glob("*.md")),
    ROOT / "README.md",  # test_blocks runs the blocks of this one and the next
    ROOT / "docs" / "tutorial.md",
    ROOT / "examples" / "README.md",
]


def test_the_pages_show_commands_and_files() -> None:
    assert len([words for page in PAGES for words in commands(page)]) > 50
    assert len([text for page in PAGES for text in blocks(page, "toml")]) > 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_that_a_page_shows_are_understood(page: Path) -> None:
    for name, *words in commands(page):
        if name == "--version":
            continue
        if words != ["--help"]:
            understand(name, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_files_that_a_page_shows_are_sound(page: Path, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for text in blocks(page, "toml"):
        (tmp_path / file.OWN).write_text(text)
        for profile in [None, *file.read(tmp_path / file.OWN).profiles]:
            assert resolve({"profile": profile}, {}, tmp_path).merged.problems == ()
