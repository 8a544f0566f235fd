import json
import os
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from prefork import log
from prefork.log import Event, Log, as_json, as_text, escape
from prefork.sink import ROOM

NOON = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


class Pipe:
    """A pipe with a log at one end."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        self.log = Log(self.write_end, now=lambda: NOON)

    def text(self) -> str:
        """What has arrived since the last call."""
        chunks: list[bytes] = []
        while True:
            try:
                chunk = os.read(self.read_end, 65536)
            except BlockingIOError:
                chunk = b""
            if not chunk:
                return b"".join(chunks).decode()
            chunks.append(chunk)

    def fill(self) -> None:
        """Leave no room for another byte."""
        os.set_blocking(self.write_end, False)
        for size in (65536, 4096, 1):
            try:
                while True:
                    os.write(self.write_end, b"." * size)
            except BlockingIOError:
                pass
        os.set_blocking(self.write_end, True)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.read_end)
    os.close(pipe.write_end)


def event(detail: str = "", **fields: object) -> Event:
    return Event(NOON, 7, "info", "worker_ready", fields, detail)


def only(lines: list[bytes]) -> str:
    [line] = lines
    return line.decode()


def test_a_line_has_time_pid_level_event_and_fields() -> None:
    line = only(as_text(event(slot=2, pid=123)))
    assert line == "2026-11-24T12:00:00.123Z [7] info worker_ready slot=2 pid=123"


def test_json_has_one_object_per_line_with_the_values_as_they_are() -> None:
    assert json.loads(only(as_json(event(slot=2, lag=0.5, app="app:x", bind=("a", "b"))))) == {
        "time": "2026-11-24T12:00:00.123Z",
        "process": 7,
        "level": "info",
        "event": "worker_ready",
        "slot": 2,
        "lag": 0.5,
        "app": "app:x",
        "bind": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain/text:8000", "plain/text:8000"),
        ("two words", '"two words"'),
        ('say "x"', '"say \\"x\\""'),
        ("a\\b", '"a\\\\b"'),
        ("", '""'),
        (None, "none"),
        (True, "true"),
        (1.5, "1.5"),
        (30.0, "30"),
        (0.1 + 0.2, "0.3"),
        (("a:1", "b:2"), "a:1,b:2"),
        (ValueError("no\nway"), '"no\\nway"'),
    ],
)
def test_a_value_in_text_is_one_readable_word(value: object, shown: str) -> None:
    assert only(as_text(event(x=value))).endswith(f" x={shown}")


@pytest.mark.parametrize(
    "evil", ["\x1b[2J", "a\nb", "\r", "\x7f", "\x9b", "\u2028", "\u202e", "\0"]
)
def test_control_characters_reach_no_terminal(evil: str) -> None:
    for lines in (as_text(event(x=evil, detail=evil)), as_json(event(x=evil, detail=evil))):
        assert all(line.decode().isprintable() for line in lines)


def test_bytes_that_are_no_text_are_escaped() -> None:
    name = os.fsdecode(b"\xff.py")
    assert "\\udcff" in only(as_text(event(x=name)))
    assert json.loads(only(as_json(event(x=name))))["x"] == name
    assert escape("plain") == "plain"


def test_a_detail_follows_its_line_indented() -> None:
    lines = as_text(event("Traceback:\n  File x\n\nError: \x1b"))
    assert lines[1:] == [b"    Traceback:", b"      File x", b"    ", b"    Error: \\x1b"]


def test_a_detail_is_a_string_in_json() -> None:
    assert json.loads(only(as_json(event("a\nb"))))["detail"] == "a\nb"


def test_a_line_never_exceeds_one_write() -> None:
    huge = {f"field{i}": "é" * 9000 for i in range(30)}
    for lines in (as_text(event("ü" * 9000, **huge)), as_json(event("ü" * 9000, **huge))):
        assert all(len(line) < ROOM for line in lines)
        assert all(line.decode() for line in lines)
    assert json.loads(only(as_json(event("x", **huge))))["event"] == "worker_ready"


def test_of_a_long_detail_json_keeps_the_end() -> None:
    detail = "\n".join(f"line {i}" for i in range(2000))
    assert json.loads(only(as_json(event(detail))))["detail"].endswith("line 1999")


def test_a_long_traceback_arrives_whole_in_text(pipe: Pipe) -> None:
    detail = "\n".join(f"line {i}" for i in range(2000))
    pipe.log.write("error", "app_failed", {"detail": detail})
    assert pipe.text().splitlines()[1:] == [f"    line {i}" for i in range(2000)]


def test_lines_below_the_level_are_not_written(pipe: Pipe) -> None:
    pipe.log.write("debug", "one", {})
    pipe.log.level = "debug"
    pipe.log.write("debug", "two", {})
    pipe.log.level = "error"
    pipe.log.write("warning", "three", {})
    assert re.findall(r"debug (\w+)", pipe.text()) == ["two"]


def test_a_full_pipe_costs_lines_and_never_waits(pipe: Pipe) -> None:
    pipe.fill()
    for number in range(3):
        pipe.log.write("info", "lost", {"number": number})
    assert set(pipe.text()) == {"."}
    pipe.log.write("info", "kept", {})
    lost, kept = pipe.text().splitlines()
    assert lost.endswith("warning 3 lines lost")
    assert kept.endswith("info kept")


def test_the_lost_lines_are_told_once_and_as_a_number_in_json(pipe: Pipe) -> None:
    pipe.log.format = "json"
    pipe.fill()
    pipe.log.write("info", "lost", {"detail": "a\nb"})
    pipe.text()
    pipe.log.write("info", "kept", {})
    pipe.log.write("info", "also", {})
    seen = [json.loads(line) for line in pipe.text().splitlines()]
    assert [each["event"] for each in seen] == ["lines_lost", "kept", "also"]
    assert seen[0]["count"] == 1


def test_a_pipe_with_room_for_less_than_a_traceback_gets_whole_lines(pipe: Pipe) -> None:
    detail = "\n".join("x" * 60 for _ in range(3000))  # more than a pipe holds
    pipe.log.write("error", "app_failed", {"detail": detail})
    seen = pipe.text().splitlines()
    assert 100 < len(seen) < 3000
    assert set(seen[1:]) == {"    " + "x" * 60}
    pipe.log.write("info", "next", {})
    assert pipe.text().splitlines()[0].endswith(f"warning {3001 - len(seen)} lines lost")


def test_a_torn_line_is_ended_before_the_next_one() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        theirs.setblocking(False)
        log = Log(ours.fileno(), now=lambda: NOON)
        for number in range(500):
            log.write("info", "event", {"number": number, "padding": "x" * 900})
        received = b""
        for _ in range(3):
            while True:
                try:
                    received += theirs.recv(1 << 20)
                except BlockingIOError:
                    break
            log.write("info", "again", {})
        lines = received.decode().splitlines()
        assert any(line.endswith("info again") for line in lines)
        assert any("lines lost" in line for line in lines)


def test_a_reader_that_is_gone_costs_lines_not_the_process(pipe: Pipe) -> None:
    os.close(pipe.read_end)
    pipe.log.write("info", "unheard", {})
    pipe.read_end = os.open(os.devnull, os.O_RDONLY)


def test_a_closed_descriptor_or_a_full_disk_costs_lines_not_the_process() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    Log(fd, now=lambda: NOON).write("info", "unheard", {})
    os.close(fd)
    Log(fd, now=lambda: NOON).write("info", "unheard", {})


def test_a_file_takes_every_line(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "log")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    written = Log(fd, now=lambda: NOON)
    for number in range(3):
        written.write("info", "event", {"number": number})
    os.close(fd)
    with open(path) as file:
        assert [line.rpartition("=")[2] for line in file] == ["0\n", "1\n", "2\n"]


def test_the_four_functions_write_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure("debug", "text")
    try:
        log.debug("one")
        log.info("two", slot=1)
        log.warning("three")
        log.error("four", detail="x\ny")
    finally:
        log.configure("info", "text")
    words = [line.split(" ", 2)[2] for line in capfd.readouterr().err.splitlines()[:4]]
    assert words == ["debug one", "info two slot=1", "warning three", "error four"]
