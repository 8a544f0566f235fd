"""Children that become the programs that their launches say, or say why they can't."""

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.support.cradle import Cradle, exit_code_of

from prefork.primary import nursery
from prefork.wire.estate import Launch
from prefork.wire.messages import Failed
from prefork.worker.launch import NOT_STARTED

ENTRY = "prefork.worker.launch:main"

# What the program was started with, as the file that its first argument names.
TELLS = """
import ctypes, json, os, signal, sys
on_death = ctypes.c_int()
ctypes.CDLL(None).prctl(2, ctypes.byref(on_death), 0, 0, 0)
blocked = [int(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, ())]
ignored = [n for n in range(1, 32) if signal.getsignal(n) is signal.SIG_IGN]
opened = {n: os.readlink(f"/proc/self/fd/{n}") for n in map(int, os.listdir("/proc/self/fd"))
    if os.path.exists(f"/proc/self/fd/{n}")}
told = {"argv": sys.argv, "cwd": os.getcwd(), "env": dict(os.environ), "on_death": on_death.value,
    "group": os.getpgid(0), "blocked": blocked, "ignored": ignored, "opened": opened}
with open(sys.argv[1], "w") as file:
    json.dump(told, file)
"""


def launched(launch: Launch) -> tuple[int, int, list[Any]]:
    """Return the pid, the exit code, and what was said on the channel."""
    with closing(Cradle(os.getpid(), launch)) as cradle:
        pid = nursery.fork(ENTRY, cradle.birth)
        code = exit_code_of(pid)
        return pid, code, list(cradle.channel.receive())


def told_by(
    place: Path, *, env: Mapping[str, str] | None = None, arguments: Sequence[str] = ()
) -> dict[str, Any]:
    file = place / "told.json"
    argv = (sys.executable, "-c", TELLS, str(file), *arguments)
    pid, code, said = launched(Launch(argv, env or {}, str(place)))
    assert (code, said) == (0, [])
    told: dict[str, Any] = json.loads(file.read_text())
    return told | {"pid": pid}


def test_it_is_started_with_the_arguments_environment_and_directory_of_its_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "kept")
    monkeypatch.setenv("COLOUR", "blue")
    told = told_by(tmp_path, env={"COLOUR": "red"}, arguments=["a", "b c"])
    assert told["argv"][2:] == ["a", "b c"]
    assert Path(told["cwd"]) == tmp_path
    assert (told["env"]["OURS"], told["env"]["COLOUR"]) == ("kept", "red")
    assert (told["env"]["PREFORK_WORKER_ID"], told["env"]["PREFORK_SLOT"]) == ("7", "1")
    assert json.loads(told["env"]["PREFORK_BIRTH"])["pid"] == told["pid"]


def test_no_environment_of_a_launch_forges_a_birth(tmp_path: Path) -> None:
    told = told_by(tmp_path, env={"PREFORK_WORKER_ID": "99", "PREFORK_BIRTH": "{}"})
    assert told["env"]["PREFORK_WORKER_ID"] == "7"
    assert json.loads(told["env"]["PREFORK_BIRTH"])["id"] == 7


def test_it_has_default_signals_a_group_of_its_own_and_dies_with_its_parent(tmp_path: Path) -> None:
    told = told_by(tmp_path)
    assert told["group"] == told["pid"]
    assert told["on_death"] == signal.SIGKILL
    assert told["blocked"] == []
    assert set(told["ignored"]) <= {signal.SIGPIPE, signal.SIGXFSZ}  # Python's own


def test_it_inherits_its_five_lines_and_nothing_else(tmp_path: Path) -> None:
    with (tmp_path / "another").open("w") as another:
        os.set_inheritable(another.fileno(), True)
        opened = told_by(tmp_path)["opened"]
    kinds = sorted(name.partition(":")[0] for fd, name in opened.items() if int(fd) > 2)
    assert kinds == ["/memfd", "pipe", "pipe", "socket", "socket"]
    assert opened["0"] == os.devnull


@pytest.mark.parametrize(
    ("launch", "reason"),
    [
        (Launch(("/no/such",)), "cannot start /no/such: No such file or directory"),
        (Launch((os.devnull,)), f"cannot start {os.devnull}: Permission denied"),
        (
            Launch((sys.executable, "-V"), cwd="/no/such"),
            "cannot start cwd /no/such: No such file or directory",
        ),
    ],
    ids=["no such program", "no program", "no such directory"],
)
def test_what_cannot_be_started_is_named_on_one_line(launch: Launch, reason: str) -> None:
    _, code, said = launched(launch)
    assert code == NOT_STARTED
    assert said == [Failed("startup", reason)]
