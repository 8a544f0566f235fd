from tests.http.requests import only

from prefork.http.exchange import Exchange
from prefork.worker.pace import GRACE, MOST, Pace

RATE = 100
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"


def made() -> tuple[Exchange, Pace]:
    exchange = only(POST)
    return exchange, Pace(exchange, RATE)


def test_a_first_byte_may_take_the_grace() -> None:
    _, pace = made()
    pace.start(10)
    assert pace.due == 10 + GRACE


def test_only_the_time_of_waiting_counts() -> None:
    _, pace = made()
    for now in (0, 100, 200):
        pace.start(now)
        pace.stop(now + 1)
    pace.start(300)
    assert pace.due == 300 + GRACE - 3


def test_waiting_twice_in_a_row_is_one_wait() -> None:
    _, pace = made()
    pace.start(0)
    pace.start(3)
    assert pace.due == GRACE


def test_bytes_buy_time_at_the_rate() -> None:
    exchange, pace = made()
    pace.start(0)
    pace.stop(4)
    exchange.store(b"x" * RATE * 2)
    pace.start(4)
    assert pace.due == 4 + GRACE - 4 + 2
    pace.start(4)
    assert pace.due == 4 + GRACE - 4 + 2


def test_a_client_that_sends_at_the_rate_is_never_late() -> None:
    exchange, pace = made()
    for now in range(1000):
        pace.start(now)
        assert pace.due > now + 1
        pace.stop(now + 1)
        exchange.store(b"x" * RATE)


def test_a_client_that_sends_at_less_is_late_at_last() -> None:
    exchange, pace = made()
    for now in range(10):
        pace.start(now)
        if pace.due < now + 1:
            break
        pace.stop(now + 1)
        exchange.store(b"x" * (RATE // 2))
    assert now == 9


def test_a_fast_beginning_buys_no_endless_silence() -> None:
    exchange, pace = made()
    exchange.store(b"x" * RATE * 10_000)
    pace.start(0)
    assert pace.due == MOST
    pace.stop(50)
    exchange.store(b"x" * RATE * 10_000)
    pace.start(50)
    assert pace.due == 50 + MOST
