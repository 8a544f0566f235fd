"""As a script was started, so are its workers."""

import os
import subprocess
import zipapp
from pathlib import Path

import pytest
from tests.support.program import ROOT, interpreter

SOURCE = """
import os, sys
from prefork import cluster
if cluster.is_primary:
    if "archive" not in sys.argv[0]:  # where that is, the interpreter doesn't keep
        os.chdir("/")
    cluster.setup_primary(cwd="/tmp", log_level="error")
    cluster.fork()
    cluster.run()
else:
    print(sys.argv[1:], sys.flags.dev_mode, sys.flags.optimize, __name__, os.getcwd())
"""
TOLD = "['a', '-c'] {dev} {optimize} __main__ /tmp\n"


def run(home: Path, *start: str) -> subprocess.CompletedProcess[str]:
    """Run Python so; what is run may be read from standard input."""
    places = os.pathsep.join((str(ROOT), str(home)))
    return subprocess.run(
        [*interpreter(home), *start],
        cwd=home,
        env=os.environ | {"PYTHONPATH": places},  # noqa: TID251 - a test's own, for its child
        input=SOURCE,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (["script.py"], TOLD.format(dev=False, optimize=0)),
        (["-O", "./script.py"], TOLD.format(dev=False, optimize=1)),
        (["-X", "dev", "script.py"], TOLD.format(dev=True, optimize=0)),
        (["-m", "package.module"], TOLD.format(dev=False, optimize=0)),
        (["-Om", "package.module"], TOLD.format(dev=False, optimize=1)),
        (["-Ompackage.module"], TOLD.format(dev=False, optimize=1)),
        (["-c", SOURCE], TOLD.format(dev=False, optimize=0)),
        (["_über 1.py"], TOLD.format(dev=False, optimize=0)),
        (["archive.pyz"], TOLD.format(dev=False, optimize=0)),
    ],
    ids=["file", "flag", "dev", "module", "joined", "all joined", "code", "odd", "archive"],
)
def test_workers_run_what_was_started_in_the_same_way(
    tmp_path: Path, start: list[str], told: str
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    for file in (package / "module.py", package / "__main__.py", tmp_path / "script.py"):
        file.write_text(SOURCE)
    if not (tmp_path / start[-1]).exists() and start[-1].endswith(".py"):
        (tmp_path / start[-1]).write_text(SOURCE)
    zipapp.create_archive(package, tmp_path / "archive.pyz")
    done = run(tmp_path, *start, "a", "-c")
    assert (done.returncode, done.stdout) == (0, told), done.stderr


@pytest.mark.parametrize("start", [["-"], []], ids=["dash", "nothing"])
def test_what_came_from_standard_input_is_refused(tmp_path: Path, start: list[str]) -> None:
    done = run(tmp_path, *start)
    assert done.returncode == 2
    assert "what was read from standard input can't be run again: set exec=" in done.stderr
