"""A test that fails makes no other fail."""

import subprocess
import sys
from pathlib import Path

from tests.support.program import ROOT

TESTS = """
import gc, os, socket
import pytest

@pytest.fixture
def nothing_is_left():
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before

def test_one_that_fails():
    leaving = socket.socketpair()
    assert not leaving

def test_one_that_counts(nothing_is_left):
    gc.collect()  # as may be at any time
"""


def test_what_a_failed_test_holds_is_let_go_before_the_next_begins(tmp_path: Path) -> None:
    (tmp_path / "test_both.py").write_text(TESTS)
    options = ["-q", "-p", "no:cacheprovider", "-p", "tests.conftest", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-W", "ignore", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1].startswith("1 failed, 1 passed in"), done.stdout
