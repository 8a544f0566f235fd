import re

from prefork.worker.clock import date_line


def test_the_date_is_a_line_of_an_answers_head() -> None:
    assert re.fullmatch(
        rb"\r\ndate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date_line()
    )
