import pytest

from prefork.http.errors import Refused
from prefork.http.meter import PER_CHUNK, Meter


def test_data_is_free() -> None:
    meter = Meter(limit=10)
    meter.fed(1000, in_trailers=False)  # with the head: nobody knows how much of it
    for _ in range(100):
        meter.data(95)
        meter.chunk()
        meter.fed(100, in_trailers=False)


def test_more_than_the_limit_beside_the_data_is_refused() -> None:
    meter = Meter(limit=10)
    meter.fed(1000, in_trailers=False)
    meter.fed(10 + PER_CHUNK, in_trailers=False)
    with pytest.raises(Refused, match="chunk extensions"):
        meter.fed(1, in_trailers=False)


def test_many_chunks_save_nothing_up() -> None:
    meter = Meter(limit=10)
    meter.fed(0, in_trailers=False)
    for _ in range(100):
        meter.chunk()
    meter.fed(6, in_trailers=False)
    with pytest.raises(Refused):
        meter.fed(11 + PER_CHUNK, in_trailers=False)


def test_beside_the_data_trailers_count_too() -> None:
    meter = Meter(limit=10)
    meter.fed(0, in_trailers=False)
    meter.fed(10 + PER_CHUNK, in_trailers=True)
    with pytest.raises(Refused, match="trailers") as refusal:
        meter.fed(1, in_trailers=True)
    assert refusal.value.status == 431
