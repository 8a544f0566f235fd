import pytest

from prefork.settings.checks import memory
from prefork.settings.size import bytes_of


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1048576", 2**20),
        ("200M", 200 * 2**20),
        ("200MB", 200 * 2**20),
        ("200 MiB", 200 * 2**20),
        ("200mb", 200 * 2**20),
        ("1.5GB", 3 * 2**29),
        ("2048k", 2**21),
        ("1T", 2**40),
    ],
)
def test_an_amount_is_read_in_each_form(text: str, size: int) -> None:
    assert bytes_of(text) == size
    assert memory(text) is None


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "1e9", "200MBytes", "1ib", "1 000", "1,5GB"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        bytes_of(text)
    assert "as in 500MB" in (memory(text) or "")


def test_no_worker_is_as_small_as_that() -> None:
    assert memory("1023k") == (
        "must be at least 1MB, written in bytes or as in 500MB or 1.5GB (got 1023k)"
    )
