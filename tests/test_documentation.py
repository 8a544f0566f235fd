"""`make docs` finds what is wrong with links: the real pages are broken on purpose."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TREE = re.findall(r"^DOCS_TREE := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)

# By what is written into a page: what is said of it.
PLANTED = {
    "[a](nowhere.md)": "contains a link 'nowhere.md', but the target 'docs/nowhere.md' is not",
    "[b](architecture.md#nowhere)": "does not contain an anchor '#nowhere'",
    "[c](#nowhere)": "contains a link '#nowhere', but there is no such anchor on this page",
    "[d](../examples/nowhere.py)": "'examples/nowhere.py' is not found",
    "[e](adr/)": "contains an unrecognized relative link 'adr/'",
    "[f](/docs/tutorial.md)": "contains an absolute link '/docs/tutorial.md'",
    "![g](nowhere.svg)": "contains a link 'nowhere.svg', but the target",
}


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """A copy of what `make docs` stages, with mkdocs.yml beside it."""
    source = tmp_path / "build" / "docs" / "source"
    source.mkdir(parents=True)
    for name in TREE[0].split():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name)
        else:
            shutil.copy(ROOT / name, source / name)
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    return tmp_path


def build(directory: Path) -> tuple[int, str]:
    """Run what `make docs` runs; return its exit code and what it says."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_broken_link_a_broken_anchor_and_a_lost_page_each_fail(staged: Path) -> None:
    docs = staged / "build" / "docs" / "source" / "docs"
    with (docs / "tutorial.md").open("a") as page:
        page.write("\n\n".join(["", *PLANTED, ""]))
    (docs / "howto" / "lost.md").write_text("# Lost\n")
    code, said = build(staged)
    assert code == 1
    assert "- docs/howto/lost.md" in said
    for link, complaint in PLANTED.items():
        assert complaint in said, link


def test_a_page_of_the_navigation_that_is_gone_fails(staged: Path) -> None:
    (staged / "build" / "docs" / "source" / "docs" / "reference" / "signals.md").unlink()
    code, said = build(staged)
    assert code == 1
    assert "'docs/reference/signals.md' is included in the 'nav' configuration, which is" in said


def test_the_build_is_not_quiet_for_then_mkdocs_counts_no_warning() -> None:
    assert "mkdocs build --strict\n" in (ROOT / "Makefile").read_text()
