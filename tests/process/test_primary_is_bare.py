"""The primary runs one thread, no event loop and nothing of the application."""

import json
import os
import signal
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support import certificates, processes, secure
from tests.support.asking import ask

NEVER = {"asyncio", "uvloop", "httptools", "multiprocessing", "psutil", "ssl"}
NEVER_BELOW = ("prefork.worker", "prefork.http", "tests.support.apps")


def lives(serve: Serve, testimony: Path, *options: str) -> list[str]:
    """Serve, be asked, lose a worker and stop; return the modules that the primary ever had."""
    entry = ("-m", "tests.support.witness", str(testimony))
    program = serve("--workers", "2", *options, entry=entry)
    assert ask(program.port, "/pid").status == 200
    victim = program.workers(2)[0]
    os.kill(victim, signal.SIGKILL)
    program.settled(lambda stats: victim not in [w["pid"] for w in stats["workers"]])
    program.workers(2)
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    modules: list[str] = json.loads(testimony.read_text())
    return modules


@pytest.mark.parametrize("preload", ["on", "off"])
@pytest.mark.parametrize("policy", ["rr", "shared"])
def test_the_primary_never_imports_the_application_or_an_event_loop(
    serve: Serve, tmp_path: Path, preload: str, policy: str
) -> None:
    modules = lives(serve, tmp_path / "modules.json", "--preload", preload, "--policy", policy)
    assert "prefork.primary" in modules  # the witness saw the primary
    assert NEVER & {name.partition(".")[0] for name in modules} == set()
    assert [name for name in modules if name.startswith(NEVER_BELOW)] == []


def test_what_watches_files_tags_output_and_runs_hooks_is_not_in_the_primary(
    serve: Serve, tmp_path: Path
) -> None:
    hook = "tests.support.apps:tell"
    options = ("--reload", "--capture-output", "--post-fork", hook, "--when-ready", hook)
    modules = lives(serve, tmp_path / "modules.json", *options, "--reload-dir", str(tmp_path))
    never = {"watchfiles", "prefork.aides", "dotenv"}
    assert never & set(modules) == set()


@pytest.mark.parametrize("preload", ["on", "off"])
def test_the_primary_never_sees_a_key(serve: Serve, tmp_path: Path, preload: str) -> None:
    entry = ("-m", "tests.support.witness", str(tmp_path / "modules.json"))
    files = certificates.write(tmp_path)
    program = serve("--preload", preload, *files.options, entry=entry)
    assert secure.ask(program.port, "/pid").status == 200
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    modules = json.loads((tmp_path / "modules.json").read_text())
    assert {"ssl", "_ssl", "prefork.worker"} & set(modules) == set()


def test_the_primary_has_one_thread_and_the_libraries_of_none_of_its_workers(
    serve: Serve,
) -> None:
    program = serve("--workers", "2")
    assert ask(program.port, "/pid").status == 200
    assert processes.threads(program.pid) == 1
    foreign = ("uvloop", "httptools", "_asyncio", "loop.cpython")
    ours = processes.libraries(program.pid)
    assert [name for name in ours if name.startswith(foreign)] == []
    worker = processes.libraries(program.workers(2)[0])
    assert [name for name in worker if name.startswith("_asyncio")] != []  # we can see them


def test_processes_are_titled(serve: Serve) -> None:
    program = serve("--workers", "2")
    titles = [
        Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()
        for pid in program.workers(2)
    ]
    assert titles == [f"prefork: worker {slot} g1 [tests.support.apps:app]" for slot in range(2)]
