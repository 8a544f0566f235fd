"""What every test of the commands starts with."""

from pathlib import Path

import pytest

from prefork.control.directory import prepare


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of control sockets, for this test alone."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    prepare(tmp_path / "prefork")
    return tmp_path / "prefork"
