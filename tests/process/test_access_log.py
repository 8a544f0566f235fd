"""What the access log holds: each request once, in a whole line, wherever it goes."""

import json
import os
import select
import signal
import socket
import threading
from contextlib import ExitStack, closing
from pathlib import Path

from tests.process.conftest import Serve
from tests.support.asking import Caller, ask
from tests.support.numbered import Numbered, numbers
from tests.support.pacing import beats, hold
from tests.support.program import Program
from tests.support.reloads import reload

WORKERS = 4
COUNT = 50_000
TICK = 0.5  # seconds after which workers look at the path


class Reader:
    """Reads a descriptor in a thread, to its end or until it is closed."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._pieces: list[bytes] = []
        self._stopped, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def rest(self) -> bytes:
        """Wait for the end of the file; return everything."""
        self._thread.join(20)
        assert not self._thread.is_alive(), "the end never came"
        return self._close()

    def leave(self) -> bytes:
        """Close in the middle of things; return what was read."""
        os.write(self._stop, b".")
        self._thread.join(20)
        return self._close()

    def _close(self) -> bytes:
        for fd in (self._fd, self._stopped, self._stop):
            os.close(fd)
        return b"".join(self._pieces)

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(self._stopped, select.POLLIN)
        while self._stopped not in dict(poll.poll()):
            data = os.read(self._fd, 10_007)  # lines are cut anywhere
            if not data:
                return
            self._pieces.append(data)


def stop(program: Program, code: int = 0) -> None:
    program.signal(signal.SIGTERM)
    assert program.wait() == code


def lost(program: Program) -> list[int]:
    return [entry["lines"] for entry in program.journal.entries("access_log_lost")]


def test_a_file_that_is_rotated_has_each_request_once(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "log"
    program = serve("--workers", str(WORKERS), "--access-log", str(path))
    with Numbered(program.port) as asking:
        for number, _ in enumerate(beats(TICK / 4, 5 * TICK)):
            asking.ask(COUNT // 20)
            if path.exists():  # some worker has opened it anew
                path.rename(folder / f"log.{number}")
    stop(program)
    logs = [numbers(each.read_bytes()) for each in folder.iterdir() if each.stat().st_size]
    assert len(logs) > 2
    assert sorted(number for each in logs for number in each) == list(range(COUNT))
    assert lost(program) == []


def test_a_named_pipe_gives_each_request_once_to_one_reader_or_the_next(
    serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    first = Reader(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    program = serve("--workers", str(WORKERS), "--access-log", str(path))
    with Numbered(program.port) as asking:
        asking.ask(COUNT // 3)
        seen = first.leave()
        asking.ask(COUNT // 3)
        hold(2 * TICK)
        second = Reader(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        asking.ask(COUNT - asking.asked)
    stop(program)
    seen += second.rest()
    assert sorted(numbers(seen)) == list(range(COUNT))
    assert lost(program) == []


def test_standard_output_has_each_request_once(serve: Serve) -> None:
    reading, writing = os.pipe()
    reader = Reader(reading)
    program = serve("--workers", str(WORKERS), "--access-log", "-", stdout=writing)
    os.close(writing)
    with Numbered(program.port) as asking:
        asking.ask(COUNT)
    stop(program)
    assert sorted(numbers(reader.rest())) == list(range(COUNT))
    assert lost(program) == []


def test_a_reader_of_standard_output_that_goes_away_costs_lines_and_nothing_else(
    serve: Serve,
) -> None:
    reading, writing = os.pipe()
    reader = Reader(reading)
    program = serve("--workers", str(WORKERS), "--access-log", "-", stdout=writing)
    os.close(writing)
    with Numbered(program.port) as asking:
        asking.ask(COUNT // 2)
        reader.leave()
        asking.ask(COUNT - asking.asked)
        program.journal.wait_for("access_log_lost")
    stop(program)
    assert 0 < sum(lost(program)) <= COUNT
    assert len(lost(program)) <= 2 * WORKERS  # as it began, and as the worker ended
    assert program.journal.entries("worker_exited")
    assert all(entry["status"] == 0 for entry in program.journal.entries("worker_exited"))


def test_a_reader_that_does_not_read_stops_nobody(serve: Serve) -> None:
    reading, writing = os.pipe()
    program = serve("--workers", "2", "--access-log", "-", stdout=writing)
    os.close(writing)
    with Numbered(program.port) as asking:
        asking.ask(5_000)  # several times what the pipe holds
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    seen = numbers(Reader(reading).rest())
    assert len(seen) + sum(lost(program)) == 5_000
    assert len(set(seen)) == len(seen)


def test_the_last_lines_wait_for_a_reader_that_is_late(serve: Serve) -> None:
    reading, writing = os.pipe()
    program = serve("--workers", "2", "--access-log", "-", stdout=writing)
    os.close(writing)
    with Numbered(program.port) as asking:
        asking.ask(3_000)  # more than the pipe holds
    program.signal(signal.SIGTERM)
    reader = Reader(reading)
    assert program.wait() == 0
    assert sorted(numbers(reader.rest())) == list(range(3_000))


def test_nothing_is_lost_by_a_reload_or_by_fewer_workers(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "log"
    program = serve("--workers", "2", "--access-log", str(path))
    asked = 0
    for change in ("reload", "fewer", "stop"):
        for _ in range(20):
            ask(program.port, f"/{asked}")
            asked += 1
        if change == "reload":
            assert reload(program)["state"] == "succeeded"
        elif change == "fewer":
            program.signal(signal.SIGTTOU)
            program.workers(1)
        else:
            stop(program)
    lines = path.read_text().splitlines()
    assert sorted(int(line.split()[6][1:]) for line in lines) == list(range(asked))


def test_what_the_deadline_cuts_is_in_the_log(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "log"
    options = ("--access-log", str(path), "--access-log-format", "json")
    program = serve("--graceful-timeout", "0.2", *options)
    with ExitStack() as opened:
        for number, target in enumerate(("/endless", "/begun")):
            opened.enter_context(closing(Caller(program.port, number))).send(target)
        program.journal.wait_for_line("app: ", count=2)
        stop(program, code=6)
    told = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted((each["path"], each["status"], each["bytes"]) for each in told) == [
        ("/begun", 200, 5),
        ("/endless", 503, len("the server is stopping\n")),
    ]
    assert all(each["duration_ms"] >= 200 for each in told)


def test_captured_output_leaves_the_access_log_as_it_is(serve: Serve) -> None:
    reading, writing = os.pipe()
    program = serve("--capture-output", "--access-log", "-", stdout=writing)
    os.close(writing)
    with Numbered(program.port) as asking:
        asking.ask(100)
    stop(program)
    assert sorted(numbers(Reader(reading).rest())) == list(range(100))


def test_a_socket_as_standard_output_is_no_less(serve: Serve) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            program = serve("--workers", "2", "--access-log", "-", stdout=theirs.fileno())
        reader = Reader(os.dup(ours.fileno()))
        with Numbered(program.port) as asking:
            asking.ask(2_000)
        stop(program)
        assert sorted(numbers(reader.rest())) == list(range(2_000))


def test_a_place_that_cannot_be_written_costs_the_log_and_not_the_service(
    serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
    program = serve("--access-log", str(path))
    program.journal.wait_for("access_log_not_opened")
    assert ask(program.port, "/").status == 200
    stop(program)
