import os
import subprocess
import sys
from pathlib import Path

import pytest

from prefork.worker.freshness import YOUNG

IMPORT = """
import sys
sys.path.insert(0, sys.argv[1])
from prefork.worker.freshness import import_what_is_written
import_what_is_written()
import pastry
print(pastry.V, pastry.__cached__)
"""


def imported(home: Path) -> str:
    """Import the module in a process of its own; return its V."""
    command = ["env", "-u", "PYTHONDONTWRITEBYTECODE", sys.executable, "-c", IMPORT, str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "pastry.py"
    path.write_text("V = 1\n")
    return path


def age(path: Path, seconds: float) -> None:
    changed = path.stat().st_mtime - seconds
    os.utime(path, (changed, changed))


def test_a_change_within_the_same_second_and_of_the_same_size_is_loaded(source: Path) -> None:
    second = source.stat().st_mtime
    assert imported(source.parent) == "1"
    source.write_text("V = 2\n")
    os.utime(source, (second, second))
    assert imported(source.parent) == "2"


def test_a_source_that_has_rested_is_cached_as_ever(source: Path) -> None:
    age(source, YOUNG + 1)
    rested = source.stat().st_mtime
    assert imported(source.parent) == "1"
    assert list(source.parent.glob("__pycache__/pastry.*.pyc"))
    source.write_text("V = 2\n")
    os.utime(source, (rested, rested))
    assert imported(source.parent) == "1", "the cache is not used"
