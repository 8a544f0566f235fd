import pytest

from prefork.http.errors import Refused
from prefork.http.meter import PER_CHUNK, Meter


def test_data_is_free() -> None:
    meter = Meter(limit=10)
    meter.fed(1000)  # with the head: nobody knows how much of it
    for _ in range(100):
        meter.data(95)
        meter.chunk()
        meter.fed(100)


def test_more_than_the_limit_beside_the_data_is_refused() -> None:
    meter = Meter(limit=10)
    meter.fed(1000)
    meter.fed(10 + PER_CHUNK)
    with pytest.raises(Refused, match="chunk extensions"):
        meter.fed(1)


def test_many_chunks_save_nothing_up() -> None:
    meter = Meter(limit=10)
    meter.fed(0)
    for _ in range(100):
        meter.chunk()
    meter.fed(6)
    with pytest.raises(Refused):
        meter.fed(11 + PER_CHUNK)


def test_beside_the_data_trailers_count_too() -> None:
    meter = Meter(limit=10)
    meter.fed(0)
    meter.chunk()  # the last
    meter.fed(10 + 2 * PER_CHUNK)
    with pytest.raises(Refused, match="trailers") as refusal:
        meter.fed(1)
    assert refusal.value.status == 431


def test_extensions_after_data_are_no_trailers() -> None:
    meter = Meter(limit=10)
    meter.fed(0)
    meter.chunk()
    meter.data(1)
    with pytest.raises(Refused, match="chunk extensions") as refusal:
        meter.fed(12 + 2 * PER_CHUNK)
    assert refusal.value.status == 400
