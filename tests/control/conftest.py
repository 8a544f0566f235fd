"""What every test of the primary's side starts with."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.control.rig import Rig
from tests.core.fleets import serving


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.sock"


@pytest.fixture
def rig(path: Path) -> Iterator[Rig]:
    """A fleet of four workers that serve."""
    with closing(Rig(path, serving(4))) as rig:
        yield rig
