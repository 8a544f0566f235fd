import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

import pytest
from tests.worker.test_access_lines import Client

from prefork import log
from prefork.http.head import Beginning
from prefork.settings.schema import Settings
from prefork.sink import ROOM
from prefork.worker.access_lines import Combined, Note
from prefork.worker.access_log import HELD, TOLD_EVERY, AccessLog, open_access_log
from prefork.worker.access_target import Output, Path

CHUNKS = 20  # more than a file is given at once


def ask(number: int) -> Beginning:
    return Beginning("GET", b"/%d" % number, "1.1", [])


def numbers(data: bytes) -> list[int]:
    """The numbers of the requests; every line must be whole."""
    assert not data or data.endswith(b"\n")
    lines = data.decode().splitlines()
    assert all(line.startswith("a - - [") and line.endswith('"-" "-"') for line in lines)
    return [int(line.split()[6][1:]) for line in lines]


def note(access_log: AccessLog, first: int, count: int) -> None:
    for number in range(first, first + count):
        access_log.note(Note(Client("a"), ask(number), 200, 2))


class Pipe:
    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, 65536)

    def read(self) -> bytes:
        pieces = []
        try:
            while piece := os.read(self.reading, 1 << 20):
                pieces.append(piece)
        except BlockingIOError:
            pass
        return b"".join(pieces)


def read_all(pipe: Pipe, access_log: AccessLog) -> list[int]:
    """Read until nothing more is written."""
    seen: list[int] = []
    while more := numbers(pipe.read()):
        seen += more
        access_log.flush()
    return seen


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.reading)
    os.close(pipe.writing)


@pytest.fixture(autouse=True)
def _json() -> None:
    log.configure("info", "json")


def told(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def test_lines_are_gathered_until_a_chunk_is_full_or_it_is_time(pipe: Pipe) -> None:
    access_log = AccessLog(Combined(), Output(pipe.writing))
    note(access_log, 0, 5)
    assert pipe.read() == b""
    access_log.tick(0)
    assert numbers(pipe.read()) == [0, 1, 2, 3, 4]
    note(access_log, 5, 200)
    seen = pipe.read()
    assert numbers(seen)[0] == 5
    assert ROOM < len(seen) < 200 * 70
    access_log.flush()
    assert numbers(pipe.read())[-1] == 204


def test_a_pipe_gets_whole_lines_in_writes_that_it_takes_whole(pipe: Pipe) -> None:
    access_log = AccessLog(Combined(), Output(pipe.writing))
    fcntl.fcntl(pipe.writing, fcntl.F_SETFL, os.O_WRONLY | os.O_DIRECT)  # a packet for each write
    note(access_log, 0, 500)
    access_log.flush()
    packets = []
    try:
        while packet := os.read(pipe.reading, 1 << 20):
            packets.append(packet)
    except BlockingIOError:
        pass
    assert len(packets) > 5
    assert all(len(packet) <= ROOM for packet in packets)
    assert [each for packet in packets for each in numbers(packet)] == list(range(500))


def test_what_finds_no_room_waits_for_it(pipe: Pipe, capfd: pytest.CaptureFixture[str]) -> None:
    access_log = AccessLog(Combined(), Output(pipe.writing))
    note(access_log, 0, 5000)  # some 300 KB into 64
    seen = read_all(pipe, access_log)
    assert seen == list(range(5000))
    access_log.tick(1e9)
    assert told(capfd) == []


def test_beyond_the_bound_lines_are_lost_and_that_is_said_once_for_a_while(
    pipe: Pipe, capfd: pytest.CaptureFixture[str]
) -> None:
    access_log = AccessLog(Combined(), Output(pipe.writing))
    count = 2 * HELD // 60
    note(access_log, 0, count)
    access_log.tick(100)
    access_log.tick(100.5)
    [said] = told(capfd)
    assert (said["event"], said["level"]) == ("access_log_lost", "warning")
    assert said["reason"] == "its reader is too slow"
    note(access_log, count, 100)
    access_log.flush()
    access_log.tick(100 + TOLD_EVERY - 1)
    assert told(capfd) == []
    access_log.tick(100 + TOLD_EVERY)
    lost = said["lines"] + sum(each["lines"] for each in told(capfd))
    seen = read_all(pipe, access_log)
    assert len(seen) + lost == count + 100
    assert seen == list(range(len(seen)))  # what was there first is kept
    note(access_log, count + 100, 1)  # and there is room again
    access_log.flush()
    assert numbers(pipe.read()) == [count + 100]


def test_standard_output_without_a_reader_costs_lines_at_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    reading, writing = os.pipe()
    access_log = AccessLog(Combined(), Output(writing))
    os.close(reading)
    note(access_log, 0, 100)
    access_log.tick(100)
    [said] = told(capfd)
    assert (said["lines"], said["reason"]) == (100, "Broken pipe")
    os.close(writing)


def test_lines_wait_for_the_next_reader_of_a_named_pipe(tmp_path: File) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    access_log = AccessLog(Combined(), Path(str(path)))
    note(access_log, 0, 100)
    access_log.tick(0)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    access_log.tick(0.5)
    seen = os.read(reader, 1 << 20)
    os.close(reader)
    note(access_log, 100, 100)
    access_log.tick(1)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    access_log.tick(1.5)
    assert numbers(seen + os.read(reader, 1 << 20)) == list(range(200))
    os.close(reader)


def test_a_rotated_file_gets_what_was_noted_before_and_a_new_one_the_rest(tmp_path: File) -> None:
    path, rotated = tmp_path / "log", tmp_path / "log.1"
    access_log = AccessLog(Combined(), Path(str(path)))
    note(access_log, 0, 100)
    path.rename(rotated)
    note(access_log, 100, 50)
    access_log.tick(0)
    note(access_log, 150, 1000)
    access_log.finish(0)
    assert numbers(rotated.read_bytes()) == list(range(150))
    assert numbers(path.read_bytes()) == list(range(150, 1150))


def test_a_file_gets_many_chunks_in_one_write(tmp_path: File) -> None:
    path = tmp_path / "log"
    access_log = AccessLog(Combined(), Path(str(path)))
    sizes = set()
    for number in range(CHUNKS * ROOM // 60):
        note(access_log, number, 1)
        sizes.add(path.stat().st_size)
    assert len(sizes) == 2


def test_a_short_write_to_a_full_disk_is_gone_on_with_by_whole_lines(tmp_path: File) -> None:
    class Short(Path):
        """Takes the first 100 bytes only, of which it counts whole lines."""

        full = True

        def put(self, lines: bytes) -> int:
            part = lines[: lines.rfind(b"\n", 0, 100) + 1] if self.full else lines
            return super().put(part) if part else 0

    path = tmp_path / "log"
    target = Short(str(path))
    access_log = AccessLog(Combined(), target)
    note(access_log, 0, 200)
    access_log.flush()
    assert numbers(path.read_bytes()) == [0]
    target.full = False
    access_log.flush()
    assert numbers(path.read_bytes()) == list(range(200))


def test_the_last_lines_wait_for_a_slow_reader_but_not_for_ever(
    pipe: Pipe, capfd: pytest.CaptureFixture[str]
) -> None:
    access_log = AccessLog(Combined(), Output(pipe.writing))
    note(access_log, 0, 3000)
    access_log.finish(0.05)
    [said] = told(capfd)
    assert said["lines"] + len(numbers(pipe.read())) == 3000


@pytest.mark.parametrize("size", [4000, 16384])
def test_a_line_longer_than_a_write_is_cut_and_stays_whole(pipe: Pipe, size: int) -> None:
    access_log = AccessLog(Combined(), Output(pipe.writing))
    fields = [(b"referer", b'"' * size), (b"user-agent", b"\xff" * size)]
    head = Beginning("GET", b"/" * size, "1.1", fields)
    access_log.note(Note(Client("a"), head, 200, 2))
    note(access_log, 1, 1)
    access_log.flush()
    first, second = pipe.read().splitlines(keepends=True)
    assert first.startswith(b"a - - [")
    assert first.endswith(b'..."\n')
    assert 1000 < len(first) <= ROOM
    assert numbers(second) == [1]


def test_no_access_log_is_opened_where_none_is_set() -> None:
    assert open_access_log(Settings(app="a:b")) is None


def test_an_access_log_that_cannot_be_opened_is_done_without(
    tmp_path: File, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    settings = Settings(app="a:b", access_log=str(folder / "log"))
    folder.rmdir()  # since the settings were checked
    assert open_access_log(settings) is None
    [said] = told(capfd)
    assert said["event"] == "access_log_not_opened"
    assert said["reason"] == "No such file or directory"


def test_the_format_is_as_set(tmp_path: File) -> None:
    path = tmp_path / "log"
    settings = Settings(app="a:b", access_log=str(path), access_log_format="json")
    access_log = open_access_log(settings)
    assert access_log is not None
    access_log.note(Note(Client(access_log.client(("a", 1))), ask(1), 200, 2))
    access_log.finish(0)
    assert json.loads(path.read_text())["pid"] == os.getpid()
