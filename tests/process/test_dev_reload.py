"""`--reload`: what is saved is served, what is broken is shown, and the old code serves on."""

import os
import signal
import time
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support.asking import ask
from tests.support.deploys import APP, Deploys, Fault
from tests.support.program import Program
from tests.support.reloads import deploys_below

PROMPT = 1.0  # seconds until a save is answered for, one way or the other
ROUNDS = 3  # of which the quickest counts: the machine may be busy with something else
BARE = """\
async def handler(request):
    return str({version})
"""
FASTAPI = """\
from fastapi import FastAPI

app = FastAPI()


@app.get("/version")
async def version():
    return {version}
"""
# An import of FastAPI takes 0.4 s on a quiet machine, and no test can say how quiet it is.
LIBRARIES = [
    pytest.param(BARE, "api:handler", id="bare"),
    pytest.param(FASTAPI, "api:app", id="FastAPI", marks=pytest.mark.slow),
]


def watching(serve: Serve, place: Path, app: str, *options: str, waits: bool = True) -> Program:
    """Start, and wait until no change can be missed."""
    always = ("--reload", "--log-level", "debug", "--app-dir", str(place))
    program = serve(*always, *options, app=app, waits=waits)
    program.journal.wait_for("watching")
    return program


def save(file: Path, text: str) -> float:
    """Write as an editor does: a new file that takes the old one's place. Returns when."""
    fresh = file.with_suffix(".py~")
    fresh.write_text(text)
    now = time.monotonic()
    fresh.replace(file)
    return now


def served(program: Program, version: int, path: str = "/version") -> float:
    """Ask until *version* answers; return when."""
    wanted = str(version).encode()
    deadline = time.monotonic() + 20
    while ask(program.port, path).body != wanted:
        assert time.monotonic() < deadline, f"{version} is never served:\n{program.journal.text}"
    return time.monotonic()


@pytest.mark.alone
@pytest.mark.parametrize(("code", "app"), LIBRARIES)
def test_a_mistake_is_shown_and_its_repair_served_within_a_second(
    serve: Serve, tmp_path: Path, code: str, app: str
) -> None:
    file = tmp_path / "api.py"
    file.write_text(code.format(version=0))
    program = watching(serve, tmp_path, app)
    shown, repaired = [], []
    for version in range(1, ROUNDS + 1):
        before = served(program, version - 1)
        saved = save(file, code.format(version="("))
        failures = program.journal.wait_for("application_failed", count=version)
        shown.append(time.monotonic() - saved)
        assert "SyntaxError: " in failures[-1]["detail"]
        program.journal.wait_for("reload_failed", count=version)
        assert served(program, version - 1) > before  # the old code serves on
        saved = save(file, code.format(version=version))
        repaired.append(served(program, version) - saved)
    print(f"shown after {min(shown):.2f} s, repaired after {min(repaired):.2f} s")
    assert min(shown) < PROMPT, shown
    assert min(repaired) < PROMPT, repaired


@pytest.mark.alone
def test_a_hundred_saves_in_a_burst_are_one_reload_of_the_last(
    serve: Serve, tmp_path: Path
) -> None:
    deploys = deploys_below(tmp_path)
    program = watching(serve, deploys.place, APP)
    for version in range(2, 102):
        deploys.write(str(version), is_dated=False)
    program.journal.wait_for("reload_succeeded")
    assert ask(program.port, "/").mark == "101"
    deploys.write("102", is_dated=False)
    program.journal.wait_for("reload_succeeded", count=2)
    assert len(program.journal.entries("reload_started")) == 2  # one of the burst, one after it
    assert ask(program.port, "/").mark == "102"


def test_no_request_is_lost_by_a_save(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    program = watching(serve, deploys.place, APP, "--workers", "2")
    deploys.write("2", is_dated=False)
    marks = set()
    while not program.journal.entries("reload_succeeded"):
        reply = ask(program.port, "/")
        assert reply.status == 200
        marks.add(reply.mark)
    assert marks <= {"1", "2"}
    assert ask(program.port, "/").mark == "2"


def test_a_first_start_that_fails_waits_for_its_repair(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    deploys.write("1", Fault.RAISES)
    program = watching(serve, deploys.place, APP, waits=False)
    program.journal.wait_for("waiting_for_change")
    (failed,) = program.journal.entries("application_failed")
    assert "a broken deploy" in failed["detail"]
    deploys.write("1", Fault.STARTUP_FAILS, is_dated=False)
    program.journal.wait_for("waiting_for_change", count=2)
    deploys.write("2", is_dated=False)
    program.wait_ready()
    assert ask(program.port, "/").mark == "2"


def test_a_start_that_waits_for_its_repair_can_be_stopped(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    deploys.write("1", Fault.RAISES)
    program = watching(serve, deploys.place, APP, waits=False)
    program.journal.wait_for("waiting_for_change")
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.leftovers() == []


def test_only_the_files_that_were_asked_for_count(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    (deploys.place / "data").mkdir()
    options = ("--reload-include", "*.sql", "--reload-exclude", "data")
    program = watching(serve, deploys.place, APP, *options)
    for ignored in ("notes.txt", "data/rows.sql", "x.pyc"):
        (deploys.place / ignored).write_text("changed")
    (deploys.place / "schema.sql").write_text("create table")
    program.journal.wait_for("reload_succeeded")
    changed = [
        name for entry in program.journal.entries("files_changed") for name in entry["files"]
    ]
    assert [Path(name).name for name in changed] == ["schema.sql"]


def test_a_file_that_comes_or_goes_counts(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    program = watching(serve, deploys.place, APP)
    (deploys.place / "extra.py").write_text("x = 1\n")
    program.journal.wait_for("reload_succeeded")
    (deploys.place / "extra.py").unlink()
    program.journal.wait_for("reload_succeeded", count=2)


def test_a_directory_that_is_made_anew_is_watched(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    program = watching(serve, deploys.place, APP)
    deploys.place.rename(tmp_path / "old")
    program.journal.wait_for("reload_failed")
    assert ask(program.port, "/").mark == "1"
    deploys.place.mkdir()
    deploys.write("2", is_dated=False)
    program.journal.wait_for("reload_succeeded")
    assert ask(program.port, "/").mark == "2"
    deploys.write("3", is_dated=False)
    program.journal.wait_for("reload_succeeded", count=2)
    assert ask(program.port, "/").mark == "3"


def test_a_link_that_leads_elsewhere_is_followed(serve: Serve, tmp_path: Path) -> None:
    one, two = deploys_below(tmp_path), Deploys(tmp_path)
    two.write("2", is_dated=False)
    (tmp_path / "current").symlink_to(one.place)
    program = watching(serve, tmp_path / "current", APP)
    (tmp_path / "next").symlink_to(two.place)
    (tmp_path / "next").rename(tmp_path / "current")
    program.journal.wait_for("reload_succeeded")
    assert ask(program.port, "/").mark == "2"
    two.write("3", is_dated=False)
    program.journal.wait_for("reload_succeeded", count=2)
    assert ask(program.port, "/").mark == "3"


def test_a_name_that_is_no_text_costs_no_change(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    program = watching(serve, deploys.place, APP)
    for number in range(4):
        Path(os.fsdecode(os.fsencode(deploys.place) + b"/\xff%d.txt" % number)).touch()
    program.journal.wait_for("watch_failed")
    program.journal.wait_for("watching", count=2)
    deploys.write("2", is_dated=False)
    while ask(program.port, "/").mark != "2":
        program.stats()
    assert program.journal.entries("aide_failed") == []


def test_a_watcher_that_dies_is_started_again(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    program = watching(serve, deploys.place, APP)
    os.kill(watcher_of(program), signal.SIGKILL)
    program.journal.wait_for("watching", count=2)
    deploys.write("2", is_dated=False)
    program.journal.wait_for("reload_succeeded")
    assert ask(program.port, "/").mark == "2"


def test_a_watcher_that_dies_again_and_again_is_given_up(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    program = watching(serve, deploys.place, APP)
    for count in range(2, 5):
        os.kill(watcher_of(program), signal.SIGKILL)
        if count < 4:
            program.journal.wait_for("watching", count=count)
    (given_up,) = program.journal.wait_for("aide_failed")
    assert given_up["aide"] == "watcher"
    assert ask(program.port, "/").mark == "1"


def watcher_of(program: Program) -> int:
    (found,) = [aide["pid"] for aide in program.stats()["aides"] if aide["name"] == "watcher"]
    return int(found)


def test_the_watcher_ends_with_the_program(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    program = watching(serve, deploys.place, APP)
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.leftovers() == []


def test_the_watcher_does_not_outlive_a_primary_that_is_killed(
    serve: Serve, tmp_path: Path
) -> None:
    deploys = deploys_below(tmp_path)
    program = watching(serve, deploys.place, APP)
    program.signal(signal.SIGKILL)
    program.wait()
    assert program.journal.ended()  # nobody holds standard error any more
