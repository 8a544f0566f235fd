"""What every test of the bus begins with."""

import pytest

from prefork import log


@pytest.fixture(autouse=True)
def own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test choose how the log looks; the next finds it as it was."""
    monkeypatch.setattr(log, "_log", log.Log())
