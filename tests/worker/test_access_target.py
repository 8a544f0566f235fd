import gc
import json
import os
import stat
from pathlib import Path as File

import pytest

from prefork import log
from prefork.worker.access_target import Output, Path


@pytest.fixture(autouse=True)
def _json() -> None:
    log.configure("info", "json")


def told(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()]


def test_a_file_is_made_that_others_may_not_read(tmp_path: File) -> None:
    path = tmp_path / "log"
    target = Path(str(path))
    assert target.put(b"a\n") == 2
    assert target.is_file
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0
    assert Path(str(path)).put(b"b\n") == 2  # beside the first
    assert target.put(b"c\n") == 2
    assert path.read_bytes() == b"a\nb\nc\n"


@pytest.mark.parametrize("way", ["renamed", "removed", "replaced"])
def test_a_file_that_is_not_at_its_path_any_more_is_followed_by_a_new_one(
    tmp_path: File, way: str
) -> None:
    path = tmp_path / "log"
    target = Path(str(path))
    target.renew()
    target.put(b"old\n")
    gc.collect()  # what tests before left is not closed meanwhile
    descriptors = len(os.listdir("/proc/self/fd"))
    if way == "removed":
        path.unlink()
    else:
        path.rename(tmp_path / "log.1")
    if way == "replaced":
        path.touch()
    target.put(b"late\n")
    target.renew()
    target.put(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert len(os.listdir("/proc/self/fd")) == descriptors
    if way != "removed":
        assert (tmp_path / "log.1").read_bytes() == b"old\nlate\n"


def test_a_pipe_without_a_reader_is_opened_when_one_comes(tmp_path: File) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    target = Path(str(path))
    with pytest.raises(BrokenPipeError):
        target.put(b"a\n")
    target.wait(0)
    target.renew()
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    target.renew()
    assert target.put(b"a\n") == 2
    assert not target.is_file
    assert os.read(reader, 10) == b"a\n"
    os.close(reader)


def test_what_waits_in_a_pipe_is_the_next_readers(tmp_path: File) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    first = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    target = Path(str(path))
    target.put(b"a\nb\n")
    assert os.read(first, 1) == b"a"
    os.close(first)
    with pytest.raises(BrokenPipeError):
        target.put(b"c\n")
    target.renew()
    second = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    target.renew()
    assert target.put(b"c\n") == 2
    assert os.read(second, 10) == b"\nb\nc\n"
    os.close(second)


def test_a_path_that_cannot_be_opened_anew_is_told_of_once_and_the_old_file_kept(
    tmp_path: File, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    target = Path(str(folder / "log"))
    folder.rename(tmp_path / "moved")
    for _ in range(3):
        target.renew()
        target.put(b"a\n")
    assert told(capfd) == ["access_log_not_opened"]
    assert (tmp_path / "moved" / "log").read_bytes() == b"a\n" * 3


def test_what_is_neither_a_file_nor_a_pipe_is_refused(tmp_path: File) -> None:
    with pytest.raises(OSError, match="directory"):
        Path(str(tmp_path))


def test_a_descriptor_is_neither_changed_nor_looked_at_again() -> None:
    reading, writing = os.pipe()
    target = Output(writing)
    target.renew()
    assert target.put(b"a\n") == 2
    assert os.get_blocking(writing)
    assert os.read(reading, 10) == b"a\n"
    os.close(reading)
    os.close(writing)
