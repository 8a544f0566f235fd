"""`prefork reload`, at an instance that only says how it goes on."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.instance import instance, line, result

from prefork.cli.main import main
from prefork.control.directory import claim

PREFORK = [sys.executable, "-m", "prefork"]
TRACEBACK = 'Traceback (most recent call last):\n  File "shop.py", line 1\nValueError: 7\n'


def running(moved: int) -> bytes:
    return result(state="running", generation=2, moved=moved, slots=4)


def ended(state: str, **fields: Any) -> bytes:
    return result(state=state, generation=2, slots=4, **fields)


BEGUN = result(state="running", generation=2)
SUCCEEDED = ended("succeeded", moved=4, seconds=1.3)


def reload(home: Path, *replies: bytes) -> int:
    """The exit code of a command that waits, at an instance that says this after it has begun."""
    with instance(home / "shop.sock", lambda _: [BEGUN, *replies]):
        return main(["reload", "shop", "--wait"])


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("running", "shop is reloading (generation 2)\n"),
        ("queued", "shop will reload after what it is loading now (generation 2)\n"),
    ],
)
def test_reload_returns_when_it_is_accepted(
    home: Path, capsys: pytest.CaptureFixture[str], state: str, said: str
) -> None:
    with instance(home / "shop.sock", lambda _: [result(state=state, generation=2)]) as seen:
        assert main(["reload"]) == 0
    assert capsys.readouterr().out == said
    assert seen[-1] == {"prefork": 1, "verb": "reload"}


def test_reload_that_waits_shows_every_step_and_how_it_ended(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reload(home, running(0), running(1), running(1), running(3), SUCCEEDED) == 0
    assert capsys.readouterr().out.splitlines() == [
        "shop is reloading (generation 2)",
        "generation 2: 1 of 4 workers moved",
        "generation 2: 3 of 4 workers moved",
        "shop runs generation 2: 4 of 4 workers moved in 1.3 s",
    ]


def test_on_a_terminal_the_steps_share_a_line(home: Path) -> None:
    screen, terminal = pty.openpty()
    with instance(home / "shop.sock", lambda _: [BEGUN, running(1), running(3), SUCCEEDED]):
        subprocess.run([*PREFORK, "reload", "--wait"], stdout=terminal, check=True)
    os.close(terminal)
    shown = os.read(screen, 4096).decode()
    os.close(screen)
    assert shown == (
        "shop is reloading (generation 2)\r\n"
        "\r\x1b[Kgeneration 2: 1 of 4 workers moved"
        "\r\x1b[Kgeneration 2: 3 of 4 workers moved"
        "\r\x1b[Kshop runs generation 2: 4 of 4 workers moved in 1.3 s\r\n"
    )


def test_a_reload_that_failed_shows_the_applications_traceback_and_the_reason(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reload(home, ended("failed", reason="ValueError: 7", detail=TRACEBACK)) == 1
    assert capsys.readouterr().err == (
        f"{TRACEBACK}prefork: error: shop: the reload failed: ValueError: 7; "
        "the old code serves on\n"
    )


def test_a_reload_that_could_not_be_undone_says_how_many_keep_the_new_code(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reload(home, ended("failed", reason="broken", moved=1)) == 1
    assert capsys.readouterr().err.endswith("broken; 1 of 4 workers keep the new code\n")


def test_a_traceback_cannot_move_the_cursor(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reload(home, ended("failed", reason="\x1b[2J", detail="E: \x1b[1m"))
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert err.startswith("E: \\x1b[1m\n")


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        (
            [ended("cancelled", reason="the instance was told to stop")],
            "shop: the reload was cancelled: the instance was told to stop",
        ),
        ([result(state="stopped", exit_code=0)], "shop stopped before it reloaded"),
        ([running(1)], "shop hung up without an answer"),
        ([ended("postponed")], "shop did not say how the reload ended"),
        ([result(state=1)], "shop: its answer is not understood: Expected `str`, got `int`"),
    ],
)
def test_a_reload_that_did_not_succeed_says_why(
    home: Path, capsys: pytest.CaptureFixture[str], replies: list[bytes], said: str
) -> None:
    assert reload(home, *replies) == 1
    assert capsys.readouterr().err.startswith(f"prefork: error: {said}")


def test_a_reload_that_is_refused_says_who_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with instance(home / "shop.sock", lambda _: [line(ok=False, error="it is stopping")]):
        assert main(["reload"]) == 1
    assert capsys.readouterr().err == "prefork: error: shop: it is stopping\n"


def test_an_interrupt_ends_the_waiting_and_not_the_reload(home: Path) -> None:
    command = [*PREFORK, "reload", "shop", "--wait"]
    with (
        claim(home / "shop.sock") as listener,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiting,
    ):
        assert waiting.stdout is not None
        listener.settimeout(10)
        served, _ = listener.accept()
        with served:
            served.sendall(BEGUN + running(1))
            seen = [waiting.stdout.readline() for _ in range(2)]
            waiting.send_signal(signal.SIGINT)
            out, _ = waiting.communicate(timeout=10)
    assert seen[-1] == "generation 2: 1 of 4 workers moved\n"
    assert waiting.returncode == 130
    assert out == "shop reloads all the same\n"
