import pytest

from prefork.control.cells import count, duration, size, table


def test_columns_align_and_numbers_stand_to_the_right() -> None:
    shown = table(("NAME", "PID"), [("a", "7"), ("longer", "1234")])
    assert shown.splitlines() == ["NAME     PID", "a          7", "longer  1234"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (-3, "0s"),
        (0.4, "0s"),
        (59.9, "59s"),
        (60, "1m 00s"),
        (3600, "1h 00m"),
        (86400 * 8 + 4 * 3600, "8d 04h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (1023, "1023 B"),
        (2048, "2 KiB"),
        (1 << 20, "1 MiB"),
        (1 << 31, "2.0 GiB"),
    ],
)
def test_a_size_has_its_largest_unit(value: int | None, text: str) -> None:
    assert size(value) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 workers"), (1, "1 worker"), (2, "2 workers")])
def test_a_count_has_its_noun(number: int, text: str) -> None:
    assert count(number, "worker") == text
