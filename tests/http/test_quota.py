from tests.http.requests import GET, LIMITS

from prefork.http.connection import Connection
from prefork.http.exchange import Exchange
from prefork.http.quota import Quota


def fed(limit: int, data: bytes) -> Connection[Exchange]:
    made = Connection(LIMITS, Quota(Exchange, limit))
    made.feed(data)
    while made.waiting:
        made.ready[:-1] = []
        made.go_on()
    return made


def test_the_last_request_ends_the_connection() -> None:
    made = fed(3, GET * 5)
    assert [each.keep_alive for each in made.ready] == [True, True, False]
    assert made.ended
    assert made.refusal is None


def test_what_is_asked_to_be_closed_is_not_kept() -> None:
    made = fed(3, b"GET / HTTP/1.0\r\n\r\n")
    assert [each.keep_alive for each in made.ready] == [False]


def test_a_quota_of_one_is_a_request_for_each_connection() -> None:
    assert [each.keep_alive for each in fed(1, GET).ready] == [False]
