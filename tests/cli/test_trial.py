"""An application that misbehaves when it is imported: one line, exit 3, and nothing left behind."""

import os
from pathlib import Path

import pytest
from tests.cli.project import HANDLER, Project

from prefork.errors import ExitCode

SLEEPER = "import os, signal\nif os.fork() == 0:\n    {first}\n    signal.pause()\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def complaint(project: Project, source: str, *arguments: str) -> str:
    """The last line of a check that fails for the application's sake."""
    project.write("shop.py", source)
    outcome = project.check("shop:handler", *arguments)
    assert (outcome.code, outcome.out) == (ExitCode.APP_IMPORT, "")
    return outcome.err


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import os; os._exit(7)", "importing shop:handler ended the process with exit code 7"),
        ("import os; os._exit(0)", "importing shop:handler ended the process with exit code 0"),
        ("import os; os.abort()", "importing shop:handler ended the process by SIGABRT"),
        ("import signal; signal.pause()", "shop:handler was not imported within 0.5 s (--start-t"),
        ("x = 1", "no such attribute: module 'shop' has no 'handler'"),
        ("handler = 1", "not callable: shop:handler is an int"),
        ("def handler(request): ...", "the handler shop:handler must be async: write `async def`"),
        (SLEEPER.format(first="pass") + "else: os._exit(3)", "ended the process with exit code 3"),
    ],
)
def test_it_is_one_line_that_says_what_happened(project: Project, source: str, said: str) -> None:
    timeout = "0.5" if "within 0.5 s" in said else "20"  # in 0.5 a busy machine imports nothing
    line = complaint(project, source, "--start-timeout", timeout)
    assert line.startswith("prefork: error: ")
    assert said in line
    assert line.count("\n") == 1


@pytest.mark.parametrize("source", ["{}['tea']", "import sys\nsys.exit(4)", "def :"])
def test_its_own_traceback_stands_before_the_line(project: Project, source: str) -> None:
    *trace, line = complaint(project, source).splitlines()
    assert f'File "{project.place}/shop.py"' in "\n".join(trace)
    assert "src/prefork" not in "\n".join(trace)
    assert line.startswith("prefork: error: the module 'shop' raised: ")


def test_a_lookup_that_fails_shows_where(project: Project) -> None:
    *trace, line = complaint(project, "def __getattr__(_): raise OSError('no disk')").splitlines()
    assert "in __getattr__" in "\n".join(trace)
    assert line.endswith("looking up 'handler' in module 'shop' raised: OSError: no disk")


@pytest.mark.parametrize("first", ["pass", "os.setsid()", "os.setpgid(0, 0)"])
def test_a_process_that_it_leaves_behind_is_named_and_ended(project: Project, first: str) -> None:
    project.write("shop.py", SLEEPER.format(first=first) + HANDLER)
    outcome = project.check("shop:handler")  # which looks for what is left in its session
    assert outcome.code == ExitCode.OK
    assert "the import leaves child process" in outcome.out


def test_a_daemon_of_it_is_ended(project: Project, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    source = (
        "import os, signal\n"
        f"held = os.open({str(fifo)!r}, os.O_RDWR)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n        signal.pause()\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    os.mkfifo(fifo)
    project.write("shop.py", source + HANDLER)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert project.check("shop:handler").code == ExitCode.OK
    assert os.read(reader, 1) == b""  # nobody holds the other end any more
    os.close(reader)


def test_what_it_prints_is_printed(project: Project) -> None:
    project.write("shop.py", "import sys\nprint('hello')\nprint('oh', file=sys.stderr)\n" + HANDLER)
    outcome = project.check("shop:handler")
    assert outcome.out.splitlines()[0] == "hello"
    assert outcome.out.splitlines()[1].startswith("shop:handler: ")
    assert outcome.err == "oh\n"


def test_what_a_slow_reader_has_not_taken_yet_is_printed_too(project: Project) -> None:
    source = (
        "import os, select, sys\n"
        "class Slow:\n"
        "    said = b''\n"
        "    def write(self, text): self.said += text.encode()\n"
        "    def flush(self):\n"
        "        select.select([], [], [], 0.3)  # as long as its reader lets it wait\n"
        "        os.write(1, self.said)\n"
        "        self.said = b''\n"
        "sys.stdout = Slow()\n"
        "print('hello')\n"
    )
    project.write("shop.py", source + HANDLER)
    assert project.check("shop:handler").out.splitlines()[0] == "hello"


@pytest.mark.parametrize(
    "moment",
    ["on_starting", "when_ready", "post_fork", "pre_stop", "worker_exit", "pool_initializer"],
)
def test_every_hook_is_looked_for(project: Project, moment: str) -> None:
    option = f"--{moment.replace('_', '-')}"
    pool = ("--pool", "1") if moment == "pool_initializer" else ()
    line = complaint(project, HANDLER, option, "json:nothing", *pool)
    assert line == (
        f"prefork: error: the hook {moment}: no such attribute: module 'json' has no 'nothing'\n"
    )
    assert project.check("shop:handler", option, "shop:handler", *pool).code == ExitCode.OK


def test_a_log_config_that_fails_is_one_line(project: Project) -> None:
    project.write("logging.json", '{"version": 3}')
    assert complaint(project, HANDLER, "--log-config", "logging.json") == (
        "prefork: error: --log-config logging.json: ValueError: Unsupported version: 3\n"
    )
