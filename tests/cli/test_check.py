"""`prefork check`: all problems at once, what the application is, and where settings come from."""

import os
import signal
from pathlib import Path

import pytest
from tests.cli.project import HANDLER, Project, left_of
from tests.support import processes
from tests.support.journal import Journal
from tests.support.program import Outcome

from prefork.errors import ExitCode
from prefork.settings.schema import described


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("shop.py", HANDLER)
    return project


def rows(outcome: Outcome) -> dict[str, list[str]]:
    """What --explain says: value and origin, by name."""
    _file, *lines = outcome.out.splitlines()
    value, origin = lines[0].index("VALUE"), lines[0].index("FROM")
    return {
        line[:value].strip(): [line[value:origin].strip(), line[origin:].strip()]
        for line in lines[1:]
    }


def test_every_problem_is_told_at_once_one_a_line(project: Project) -> None:
    project.write(
        "prefork.toml",
        "app = 'shop:handler'\nworkers = 0\nworker = 2\nbacklog = 'many'\nname = []\n"
        "env_file = 'x.env'\nlog_config = 'gone.json'\n[env]\nPREFORK_BIND = 'x'\n"
        "[profile.p]\npolcy = 'rr'\n",
    )
    project.write("x.env", "A=1\nnonsense here\n")
    outcome = project.check("--bind", "nonsense", variables={"PREFORK_POLICY": "best"})
    assert (outcome.code, outcome.out) == (ExitCode.USAGE, "")
    lines = [line.removeprefix("prefork: error: ") for line in outcome.err.splitlines()]
    assert lines == [
        "PREFORK_BIND in [env] of prefork.toml sets nothing here: write bind as a setting",
        "prefork.toml: unknown setting 'worker' (did you mean 'workers'?)",
        "name in prefork.toml must be one plain value (got a list)",
        "[profile.p] of prefork.toml: unknown setting 'polcy' (did you mean 'policy'?)",
        "x.env, line 2: must be NAME=VALUE",
        "backlog in prefork.toml must be a whole number (got many)",
        "--bind must be HOST:PORT, [IPV6]:PORT, unix:PATH or fd://N (got nonsense)",
        "PREFORK_POLICY must be rr, least, hash, shared or reuseport (got best)",
        "workers in prefork.toml must be from 1 to 1024, or max (got 0)",
        "log_config in prefork.toml must be a file that can be read (got gone.json)",
    ]


def test_what_is_wrong_with_the_pool_is_told_by_key(project: Project) -> None:
    project.write(
        "prefork.toml",
        "app = 'shop:handler'\n[pool]\nmax = 2\nmin = 3\nnice = 20\nengine = 'dask://here'\n"
        "sise = 4\n",
    )
    outcome = project.check("--pool-max-tasks", "-1")
    assert outcome.code == ExitCode.USAGE
    assert outcome.err.splitlines() == [
        "prefork: error: [pool] of prefork.toml: unknown setting 'sise'",
        "prefork: error: nice in [pool] of prefork.toml must be from 0 to 19 (got 20)",
        "prefork: error: --pool-max-tasks must be at least 0 (got -1)",
        "prefork: error: engine in [pool] of prefork.toml must be processes, threads or "
        "dask://HOST:PORT (got dask://here)",
        "prefork: error: min in [pool] of prefork.toml must be at most max in [pool] of "
        "prefork.toml, which is 2 (got 3)",
    ]


@pytest.mark.parametrize(
    ("source", "arguments", "said"),
    [
        (HANDLER, [], "handler, imported once, workers are forked from it"),
        ("async def handler(scope, receive, send): ...", [], "asgi, imported once, workers are"),
        (HANDLER, ["--preload", "off"], "handler, imported by each worker (--preload off)"),
        ("import numpy\n" + HANDLER, [], "handler, imported once, workers are forked from it"),
        (
            "import threading\nthreading.Thread(target=threading.Event().wait).start()\n" + HANDLER,
            [],
            "handler, imported by each worker: the import leaves thread 'Thread-1 (wait)'",
        ),
    ],
    ids=["handler", "asgi", "preload off", "numpy", "thread"],
)
def test_a_good_one_says_what_would_be_served(
    project: Project, source: str, arguments: list[str], said: str
) -> None:
    project.write("shop.py", source)
    outcome = project.check("shop:handler", *arguments)
    assert (outcome.code, outcome.err) == (ExitCode.OK, "")
    assert outcome.out.startswith(f"shop:handler: {said}")


def test_nothing_is_bound_so_an_address_may_be_in_use(project: Project) -> None:
    outcome = project.check("shop:handler", "--bind", "unix:x.sock", "--control", "y.sock")
    assert outcome.code == ExitCode.OK


# -- what the application is given -------------------------------------------


def test_the_application_sees_the_variables_of_the_file(project: Project) -> None:
    project.write("shop.py", "import os\nprint(os.environ['A'], os.environ['B'])\n" + HANDLER)
    project.write("prefork.toml", "env_file = '.env'\n[env]\nA = 'file'\nB = 'file'\n")
    project.write(".env", "B=line\n")
    assert project.check("shop:handler").out.splitlines()[0] == "file line"


def test_explain_shows_every_setting_with_its_value_and_origin(project: Project) -> None:
    project.write(
        "prefork.toml",
        "app = 'shop:handler'\nbacklog = 7\nenv_file = 'x.env'\naccess_log = '-'\n"
        "[profile.p]\nmax_body = 12345678\n",
    )
    project.write("x.env", "PREFORK_MAX_HEADERS=9\n")
    outcome = project.check(
        "--explain", "--profile", "p", "--reload", variables={"PREFORK_WORKERS": "3"}
    )
    assert outcome.code == ExitCode.OK
    shown = rows(outcome)
    assert {each.name for each in described()} <= shown.keys()
    assert outcome.out.splitlines()[0] == "file: prefork.toml; profile: p"
    assert shown["app"] == ["shop:handler", "prefork.toml"]
    assert shown["max_body"] == ["12345678", "[profile.p] of prefork.toml"]
    assert shown["max_headers"] == ["9", "x.env"]
    assert shown["workers"] == ["3", "environment"]
    assert shown["reload"] == ["true", "command line"]
    assert shown["min_uptime"] == ["0.05", "default with --reload"]
    assert shown["policy"] == ["rr", "default"]
    assert shown["access_log"] == ["-", "prefork.toml"]
    assert shown["name"] == ["(unset)", "default"]


def test_explain_shows_no_value_that_is_for_the_application(project: Project) -> None:
    project.write("prefork.toml", "env_file = 'x.env'\n[env]\nKEY = 'hunter2'\n\"a\\u001bb\" = 1\n")
    project.write("x.env", "TOKEN=hunter2\n")
    outcome = project.check("shop:handler", "--explain")
    assert "hunter2" not in outcome.out + outcome.err
    assert rows(outcome)["TOKEN"] == ["(set)", "x.env, for the application"]
    assert rows(outcome)["KEY"] == ["(set)", "prefork.toml, for the application"]
    assert r"a\x1bb" in rows(outcome)


def test_explain_shows_what_is_right_beside_what_is_wrong(project: Project) -> None:
    outcome = project.check("shop:handler", "--explain", "--workers", "0", "--backlog", "5")
    assert outcome.code == ExitCode.USAGE
    assert rows(outcome)["backlog"] == ["5", "command line"]
    assert outcome.err == ("prefork: error: --workers must be from 1 to 1024, or max (got 0)\n")


# -- what ends it early ------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_a_signal_during_the_import_ends_it_and_all_that_it_started(
    project: Project, number: signal.Signals, code: int
) -> None:
    project.write("shop.py", "import os, signal\nos.write(2, b'imports\\n')\nsignal.pause()\n")
    with project.start("shop:handler") as running:
        assert running.stderr is not None
        journal = Journal(os.dup(running.stderr.fileno()))
        journal.wait_for_line("imports")
        (child,) = processes.children(running.pid)
        with processes.Watch([child]) as watch:
            running.send_signal(number)
            assert running.wait(10) == code
            left = watch.left(10)
    assert left_of(running) == left == []
    assert journal.ended()
    assert journal.text.strip() == "imports"


def test_the_password_of_a_broker_is_never_told(project: Project) -> None:
    explained = project.check(
        "shop:handler", "--explain", "--bus", "redis://u:s3cret@redis.example/1"
    )
    assert explained.code == ExitCode.OK
    assert rows(explained)["bus"] == ["redis://redis.example/1", "command line"]
    refused = [
        project.check("shop:handler", "--explain", variables={"PREFORK_BUS": url})
        for url in ("amqp://u:s3cret@host", "redis://redis.example?password=s3cret")
    ]
    for outcome in refused:
        assert outcome.code == ExitCode.USAGE
        assert outcome.err.startswith("prefork: error: PREFORK_BUS must be local, redis://")
    for outcome in (explained, *refused):
        assert "s3cret" not in outcome.out + outcome.err
