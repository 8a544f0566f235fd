"""What counts as the same output, and what doesn't."""

from tests.docs.likeness import end_of, is_like

SAID = [
    "2026-11-25T20:14:52.009Z [9610] info started name=api-8123 bind=127.0.0.1:8123",
    '      File "/tmp/x/shop/api.py", line 10',
    "SLOT   PID  STATE",
    "   0  9610  serving",
    "   1  9612  serving",
]


def test_numbers_times_folders_and_widths_may_differ() -> None:
    shown = (
        "2025-01-02T03:04:05.006Z [7] info started name=api-8000 bind=127.0.0.1:8000\n"
        '    File "/home/me/api.py", line 3\n'
        "SLOT  PID  STATE\n  0  7  serving\n  1  8  serving\n"
    )
    assert is_like(shown, SAID)


def test_another_word_or_number_of_rows_is_another_output() -> None:
    assert not is_like("SLOT PID STATE\n0 1 serving\n1 2 draining\n", SAID[2:])
    assert not is_like("SLOT PID STATE\n0 1 serving\n", SAID[2:])
    assert not is_like("SLOT PID STATE\n0 1 serving\n1 2 serving\n2 3 serving\n", SAID[2:])


def test_an_address_is_no_folder() -> None:
    assert not is_like("http://127.0.0.1:8000/tea/x", ["http://127.0.0.1:8000/milk/x"])


def test_an_ellipsis_stands_for_lines_and_only_there() -> None:
    assert is_like("…\n1 2 serving\n", SAID)
    assert is_like("SLOT PID STATE\n…\n", SAID[2:])
    assert is_like("SLOT PID STATE\n…\n1 2 serving\n", SAID[2:])
    assert not is_like("0 1 serving\n…\n", SAID)
    assert not is_like("…\n0 1 draining\n", SAID)


def test_what_is_shown_of_a_log_ends_where_the_next_begins() -> None:
    log = ["ready", "reload 2", "ready", "reload 3"]
    first = end_of("ready\nreload 1\n", log)
    assert first == 2
    assert end_of("ready\nreload 1\n", log, first) == 4
    assert end_of("ready\n", log, 4) is None
