import os
import socket
import stat
from pathlib import Path

import pytest

from prefork.control.directory import (
    Instance,
    claim,
    default_directory,
    default_name,
    locate,
    prepare,
    running,
    socket_path,
)
from prefork.errors import AddressError, SettingsError
from prefork.settings.address import MAX_SOCKET_PATH, Address, TcpAddress, UnixAddress
from prefork.settings.checks import INSTANCE_NAME


def dead_socket(path: Path) -> None:
    """Leave behind what a killed instance leaves behind."""
    with socket.socket(socket.AF_UNIX) as dying:
        dying.bind(str(path))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "prefork"
    prepare(directory)
    return directory


@pytest.mark.parametrize(
    ("app", "bound", "name"),
    [
        ("app:handler", [TcpAddress("127.0.0.1", 8000)], "app-8000"),
        ("shop.web.app:make()", [TcpAddress("::1", 80), TcpAddress("::1", 81)], "app-80"),
        ("app:handler", [UnixAddress("/run/web.sock")], "app-web"),
        ("app:handler", [UnixAddress("/run/app.sock")], "app"),
        ("app:handler", [UnixAddress("/run/a b.sock")], "app-a-b"),
        ("_app:handler", [TcpAddress("h", 1)], "app-1"),
        ("größe:x", [TcpAddress("h", 1)], "gr-e-1"),
        ("ж:x", [UnixAddress("/ж")], "prefork"),
        ("app:x", [], "app"),
        ("m" * 100 + ":x", [TcpAddress("h", 1)], "m" * 64),
    ],
)
def test_an_instance_is_named_by_module_and_port(app: str, bound: list[Address], name: str) -> None:
    assert default_name(app, bound) == name
    assert INSTANCE_NAME.fullmatch(name)


def test_the_directory_lies_in_the_users_runtime_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert default_directory() == tmp_path / "prefork"
    assert socket_path("shop") == tmp_path / "prefork" / "shop.sock"


@pytest.mark.parametrize("runtime", ["", "relative", "/nowhere/at/all", "/dev/null"])
def test_without_a_runtime_directory_it_lies_in_the_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert default_directory() == tmp_path / f"prefork-{os.geteuid()}"


def test_a_name_with_a_slash_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert locate("./x.sock") == Path("x.sock")
    assert locate("x") == tmp_path / "prefork" / "x.sock"
    with pytest.raises(SettingsError, match="not a name"):
        locate("..")


def test_a_path_too_long_for_a_socket_is_told_with_the_way_out(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * MAX_SOCKET_PATH)
    with pytest.raises(SettingsError) as caught:
        socket_path("shop", deep)
    assert f"{deep}/shop.sock is longer than {MAX_SOCKET_PATH} bytes" in str(caught.value)
    assert "--control PATH" in str(caught.value)


def test_the_directory_is_made_for_its_owner_alone(directory: Path) -> None:
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    prepare(directory)  # and taken as it is


def test_a_directory_that_others_may_enter_is_refused(directory: Path) -> None:
    directory.chmod(0o755)
    with pytest.raises(AddressError, match="open to others"):
        prepare(directory)
    with pytest.raises(AddressError, match="open to others"):
        running(directory)


def test_a_link_instead_of_the_directory_is_refused(directory: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(directory)
    with pytest.raises(AddressError, match="is not a directory"):
        prepare(link)


def test_a_file_or_nothing_above_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AddressError, match="--control"):
        prepare(tmp_path / "file")
    with pytest.raises(AddressError, match="no such file or directory"):
        prepare(tmp_path / "nowhere" / "prefork")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(directory: Path) -> None:
    os.chown(directory, 65534, 65534)
    with pytest.raises(AddressError, match="belongs to user 65534"):
        prepare(directory)


def test_a_claimed_socket_is_its_owners_alone_and_listens(directory: Path) -> None:
    path = directory / "shop.sock"
    with claim(path) as listener:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert listener.getblocking() is False
        assert listener.get_inheritable() is False
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_name_that_runs_cannot_be_claimed(directory: Path) -> None:
    path = directory / "shop.sock"
    with claim(path), pytest.raises(AddressError, match="called shop is already running"):
        claim(path)


def test_the_socket_of_a_dead_instance_is_replaced(directory: Path) -> None:
    path = directory / "shop.sock"
    dead_socket(path)
    with claim(path):
        assert running(directory) == [Instance("shop", path)]


def test_a_file_in_the_way_stays(directory: Path) -> None:
    path = directory / "shop.sock"
    path.write_text("precious")
    with pytest.raises(AddressError, match="a file is in the way"):
        claim(path)
    assert path.read_text() == "precious"


def test_a_place_without_a_directory_cannot_be_claimed(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match=r"no such file or directory.*--control"):
        claim(tmp_path / "nowhere" / "x.sock")


def test_a_path_too_long_cannot_be_claimed(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="too long"):
        claim(tmp_path / ("x" * 200))


def test_running_instances_are_listed_and_dead_ones_removed(directory: Path) -> None:
    dead_socket(directory / "dead.sock")
    (directory / "notes.sock").write_text("a file")
    (directory / ".hidden.sock").write_text("not a name")
    with claim(directory / "b.sock"), claim(directory / "a.sock"):
        assert [each.name for each in running(directory)] == ["a", "b"]
    assert not (directory / "dead.sock").exists()
    assert [each.name for each in running(directory)] == []
    assert (directory / "notes.sock").exists()


def test_an_instance_whose_backlog_is_full_is_alive(directory: Path) -> None:
    path = directory / "busy.sock"
    clients = []
    with claim(path):
        while True:
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            clients.append(client)
            if client.connect_ex(str(path)):
                break
        assert [each.name for each in running(directory)] == ["busy"]
    for client in clients:
        client.close()


def test_before_the_first_instance_nothing_runs_and_nothing_is_made(tmp_path: Path) -> None:
    assert running(tmp_path / "prefork") == []
    assert list(tmp_path.iterdir()) == []
