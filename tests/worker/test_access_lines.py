import json
import re

import pytest

from prefork.http.head import Beginning, Head
from prefork.http.rules import Field
from prefork.worker.access_lines import (
    LEARNED,
    LEARNED_BYTES,
    Combined,
    Json,
    Lines,
    Note,
    Spelling,
    escaped,
    shortened,
)

WALL = 1795636075.25  # 2026-11-25 19:47:55.250 UTC
NOW = 1000.0
TOOK = 0.0015
QUOTED = r'"((?:[^"\\]|\\.)*)"'
COMBINED = re.compile(rf"(\S+) - - \[([^]]+)\] {QUOTED} (\d+) (\d+) {QUOTED} {QUOTED}\n")

EVIL = [
    b'a" 200 0 "x',
    b"a\\",
    b'\\"',
    b"a\nb",
    b"a\r\nb",
    b"\0\x1b[2J\x7f",
    b"\xff\xfe",
    "é\u2028\u2029\u202e\x85\x9b😀".encode(),
    b"",
]


def combined() -> Combined:
    lines = Combined()
    lines.tick(WALL, NOW)
    return lines


def as_json() -> Json:
    lines = Json(7)
    lines.tick(WALL, NOW)
    return lines


class Client:
    """A connection, as far as its requests' lines need it."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.told: list[Field] | None = None
        self.tail = ""


def line_of(  # noqa: PLR0913, PLR0917 - what a line says
    lines: Lines, client: str, head: Head | None, status: int, size: int, began: float
) -> str:
    note = Note(Client(client), head, status, size)
    note.began, note.ended = began, began + TOOK
    (line,) = lines.render([note])
    return line


def head(target: bytes = b"/x?y", **fields: bytes) -> Beginning:
    named = [(name.replace("_", "-").encode(), value) for name, value in fields.items()]
    return Beginning("GET", target, "1.1", [(b"host", b"a"), *named])


def test_a_line_is_that_of_apache_and_nginx() -> None:
    asked = head(referer=b"http://a/", user_agent=b"curl/8 (x; y)")
    assert line_of(combined(), "::1", asked, 200, 12, NOW) == (
        '::1 - - [25/Nov/2026:19:47:55 +0000] "GET /x?y HTTP/1.1" 200 12 '
        '"http://a/" "curl/8 (x; y)"\n'
    )


def test_a_json_line_is_one_object() -> None:
    lines = as_json()
    line = line_of(lines, lines.client(("::1", 5)), head(referer=b"http://a/"), 200, 12, NOW)
    assert json.loads(line) == {
        "time": "2026-11-25T19:47:55.251Z",
        "client": "::1",
        "method": "GET",
        "path": "/x?y",
        "version": "1.1",
        "status": 200,
        "bytes": 12,
        "duration_ms": 1.5,
        "referer": "http://a/",
        "user_agent": None,
        "pid": 7,
    }


def test_what_is_absent_or_unknown_is_a_hyphen_in_one_format_and_null_in_the_other() -> None:
    lines = combined()
    line = line_of(lines, lines.client(None), None, 400, 3, NOW)
    assert line == '- - - [25/Nov/2026:19:47:55 +0000] "-" 400 3 "-" "-"\n'
    assert '"GET / HTTP/1.1" 200 3 "-" "-"' in line_of(lines, "a", head(b"/"), 200, 3, NOW)
    told = json.loads(line_of(as_json(), as_json().client(None), None, 400, 3, NOW))
    absent = ("client", "method", "path", "version", "referer", "user_agent")
    assert [told[name] for name in absent] == [None] * 6


@pytest.mark.parametrize("evil", EVIL)
def test_nothing_from_a_client_breaks_out_of_its_quotes_or_starts_a_line(evil: bytes) -> None:
    asked = head(evil, referer=evil, user_agent=evil)
    line = line_of(combined(), "a", asked, 200, 12, NOW)
    found = COMBINED.fullmatch(line)
    assert found, line
    assert found[3] == f"GET {escaped(evil)} HTTP/1.1"
    assert found[6] == found[7] == escaped(evil)
    for each in (line, line_of(as_json(), '"a"', asked, 200, 12, NOW)):
        assert each.isascii()
        assert each[:-1].isprintable()
    told = json.loads(each)
    assert told["path"] == told["referer"] == evil.decode(errors="backslashreplace")


def test_escapes_can_be_undone() -> None:
    every = bytes(range(256))
    spelled = escaped(every)
    assert spelled[:8] == "\\x00\\x01"
    assert '\\"' in spelled
    assert re.sub(r"\\x(..)", lambda m: chr(int(m[1], 16)), spelled).encode(
        "latin-1"
    ) == every.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


@pytest.mark.parametrize("lines", [combined(), as_json()])
@pytest.mark.parametrize("size", [3000, 4096, 16384])
@pytest.mark.parametrize("char", [b"a", b'"', b"\n", b"\xff", "é".encode()])
def test_a_line_gets_as_short_as_it_must(lines: Lines, size: int, char: bytes) -> None:
    asked = Note(Client("a"), head(char * size, referer=char * size, user_agent=b"curl"), 200, 12)
    told = [lines.render([less])[0] for less in shortened(asked)]
    lengths = [len(line) for line in told]
    assert min(lengths) < 300
    assert lengths == sorted(lengths, reverse=True)
    assert all("curl" in line for line in told[:4])


def test_what_a_client_repeats_is_told_again_and_what_it_changes_anew() -> None:
    client = Client("a")
    curl, other = head(user_agent=b"curl"), head(user_agent=b"other", referer=b"/")
    notes = [Note(client, asked, 200, 12) for asked in (curl, curl, other, curl)]
    for lines in (combined(), as_json()):
        assert [line.count("curl") for line in lines.render(notes)] == [1, 1, 0, 1]


def test_the_second_changes_with_the_tick_in_one_and_with_the_clock_in_the_other() -> None:
    first = combined()
    first.tick(WALL + 1, NOW + 1)
    assert "19:47:56" in line_of(first, "a", None, 200, 0, NOW)
    second = Json(7)
    second.tick(WALL, NOW)
    times = []
    for later in (0, 0.0001, 0.75, 60):
        line = line_of(second, "null", None, 200, 0, NOW + later - TOOK)
        times.append(json.loads(line)["time"][11:])
    assert times == ["19:47:55.250Z", "19:47:55.250Z", "19:47:56.000Z", "19:48:55.250Z"]


def test_spellings_that_are_remembered_are_few_and_small() -> None:
    spelling = Spelling(escaped, "-")
    assert spelling[None] == "-"
    for number in range(3 * LEARNED):
        assert spelling[b"%d" % number] == str(number)
        assert len(spelling) <= LEARNED
    long = b"x" * (LEARNED_BYTES + 1)
    assert spelling[long] == long.decode()
    assert long not in spelling
