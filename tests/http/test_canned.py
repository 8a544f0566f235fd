from prefork.http.canned import error_answer, error_body
from prefork.http.errors import Refused


def test_an_error_answer_is_whole_and_ends_the_connection() -> None:
    assert error_answer(Refused(408, "too late"), b"\r\ndate: now") == (
        b"HTTP/1.1 408 Request Timeout\r\ndate: now\r\ncontent-type: text/plain\r\n"
        b"content-length: 9\r\nconnection: close\r\n\r\ntoo late\n"
    )


def test_the_body_of_an_error_answer_is_told_apart() -> None:
    assert error_answer(Refused(408, "too late"), b"").endswith(
        b"\r\n\r\n" + error_body("too late")
    )


def test_header_lines_that_belong_to_a_refusal_are_told() -> None:
    refusal = Refused(426, "another", b"\r\nupgrade: websocket")
    assert b"\r\nupgrade: websocket\r\n" in error_answer(refusal, b"")
