"""Sockets that systemd passes: sd_listen_fds(3)."""

import os
from pathlib import Path

import pytest

from prefork.settings.resolution import Resolution, resolve


def resolved(
    place: Path, count: str = "1", pid: str | None = None, **options: str | tuple[str, ...]
) -> Resolution:
    variables = {"LISTEN_PID": pid or str(os.getpid()), "LISTEN_FDS": count}
    return resolve({"app": "a:b", **options}, variables, place)


def test_sockets_that_systemd_passed_take_the_defaults_place(tmp_path: Path) -> None:
    resolution = resolved(tmp_path, "2")
    assert resolution.settings().bind == ("fd://3", "fd://4")
    assert resolution.merged.origins["bind"] == "systemd"


@pytest.mark.parametrize("pid", ["1", "", "x"])
def test_those_for_another_process_are_none_of_our_business(tmp_path: Path, pid: str) -> None:
    resolution = resolve({"app": "a:b"}, {"LISTEN_PID": pid, "LISTEN_FDS": "x"}, tmp_path)
    assert resolution.merged.origins["bind"] == "default"
    assert resolution.merged.problems == ()


def test_none_were_passed_where_there_are_0(tmp_path: Path) -> None:
    assert resolved(tmp_path, "0").settings().bind == ("127.0.0.1:8000",)


@pytest.mark.parametrize("count", ["", "x", "-1", "65", "1000000000", "\u0661"])
def test_a_count_that_is_none_is_told(tmp_path: Path, count: str) -> None:
    (problem,) = resolved(tmp_path, count).merged.problems
    assert problem.startswith("LISTEN_FDS must be from 0 to 64 (got ")


def test_a_bind_that_leaves_a_socket_out_is_told_with_the_remedy(tmp_path: Path) -> None:
    wrong = (
        "systemd passed fd://4 (LISTEN_FDS), and bind doesn't name it: "
        "leave bind out, or add it there"
    )
    assert resolved(tmp_path, "2", bind=("fd://3", "a:1")).merged.problems == (wrong,)
    (tmp_path / "prefork.toml").write_text('bind = ["fd://3", "127.0.0.1:8001"]\n')
    assert resolved(tmp_path, "2").merged.problems == (wrong,)
    resolution = resolved(tmp_path)
    assert resolution.settings().bind == ("fd://3", "127.0.0.1:8001")
    assert resolution.merged.origins["bind"].endswith("prefork.toml")
