import pytest

from prefork import log
from prefork.wire.complaint import EVERY, Complaint


def test_the_same_is_told_once_a_minute_with_how_often_it_was_not(
    capfd: pytest.CaptureFixture[str],
) -> None:
    log.configure("info", "text")
    trouble = Complaint("full", log.error)
    for now in (0.0, 1.0, EVERY - 0.1, EVERY, EVERY + 1):
        trouble.tell(now, reason="why")
    first, second = capfd.readouterr().err.splitlines()
    assert first.endswith("error full reason=why")
    assert second.endswith("error full reason=why untold=2")
