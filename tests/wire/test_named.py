"""Named sockets: claimed by one, replaced when dead, removed by their owner alone."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from prefork.wire import named


def test_a_served_path_is_taken_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    first = named.listen(path, 8)
    with pytest.raises(OSError, match="in use"):
        named.listen(path, 8)
    first.close()  # as its owner's death does
    second = named.listen(path, 8)
    second.remove()
    second.close()
    assert not path.exists()


def test_a_file_that_another_put_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    mine = named.listen(path, 8)
    path.rename(tmp_path / "moved.sock")
    other = named.listen(path, 8)
    mine.remove()
    assert path.exists()
    mine.close()
    other.close()


def test_removing_where_that_is_refused_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    mine = named.listen(path, 8)
    path.unlink()
    path.mkdir()
    mine.remove()
    mine.close()


def test_the_mode_is_set_from_the_first_moment(tmp_path: Path) -> None:
    sock = named.listen(tmp_path / "x.sock", 8, umask=0o177)
    assert (tmp_path / "x.sock").stat().st_mode & 0o777 == 0o600
    sock.close()


def test_a_directory_that_a_stranger_locks_is_an_error_and_no_hang(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(OSError, match="locked by another process") as caught:
        named.listen(tmp_path / "x.sock", 8)
    assert caught.value.errno == errno.EBUSY
    os.close(descriptor)


def test_a_path_that_is_too_long_to_bind_is_bound_by_way_of_its_directory(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    path = deep / "x.sock"
    before = Path.cwd()
    first = named.listen(path, 8, umask=0o177)
    assert Path.cwd() == before
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OSError, match="in use"):
        named.listen(path, 8)
    first.close()
    second = named.listen(path, 8)  # the dead one was seen to be dead
    second.remove()
    second.close()
    assert not path.exists()


def test_a_name_that_is_too_long_by_itself_is_an_error_with_its_number(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long") as caught:
        named.listen(tmp_path / ("x" * 120), 8)
    assert caught.value.errno == errno.ENAMETOOLONG
