"""What a worker is at, as bytes and as text."""

import pytest

from prefork.wire.stacks import Answer, Dump, Frame, Stack, encode, find, lines, trimmed

DUMP = Dump(
    requests=["GET /"],
    tasks=[
        Stack("request (GET /)", [], is_running=True),
        Stack("writer", [Frame("/srv/a.py", 3, "write", "await sent")]),
    ],
    more_tasks=2,
    threads=[Stack("MainThread", [Frame("/srv/a.py", 7, "spin")])],
)
RAW = """\
Thread 0x1 (most recent call first):
  File "/x/prefork/worker/heartbeat.py", line 86 in _watch

Current thread 0x2 (most recent call first):
  File "/srv/a.py", line 7 in spin
  File "/x/prefork/worker/entry.py", line 78 in main
  File "/x/prefork/worker/template.py", line 145 in _be_worker
"""


def test_an_answer_is_found_among_older_ones_and_other_text() -> None:
    said = b"Thread 0x1\n" + encode(Answer(4, Dump())) + encode(Answer(5, DUMP)) + b"half"
    assert find(said, 5) == DUMP
    assert find(said, 6) is None


@pytest.mark.parametrize("said", [b"", b"\n", b"{", b'{"number": 5}\n', b"\xff\xfe\n", b"[" * 5000])
def test_what_is_no_answer_is_none(said: bytes) -> None:
    assert find(said, 5) is None


def test_an_answer_that_was_cut_is_none() -> None:
    assert find(encode(Answer(5, DUMP))[:-1], 5) is None


def test_it_is_told_with_where_the_worker_is_now_last() -> None:
    assert list(lines(DUMP)) == [
        "requests in flight: GET /",
        "task request (GET /), running in the main thread:",
        "task writer, waiting:",
        '  File "/srv/a.py", line 3, in write',
        "    await sent",
        "and 2 more tasks",
        "thread MainThread:",
        '  File "/srv/a.py", line 7, in spin',
    ]


def test_of_what_is_missing_the_reason_is_told() -> None:
    assert list(lines(Dump(raw="Thread 0x1", missing="no tasks"))) == ["Thread 0x1", "no tasks"]


def test_how_a_worker_came_to_be_is_left_out_of_what_faulthandler_says() -> None:
    assert trimmed(RAW).splitlines() == [*RAW.splitlines()[:5]]
