"""The import contracts hold, and each of them breaks when it is broken on purpose."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]

# By contract: the module that breaks it, and how.
PLANTED = {
    "Layers point downwards": ("errors.py", "import prefork.boot"),
    "The core and the policies decide; they never act, wait or read a clock": (
        "policy/rotation.py",
        "import time",
    ),
    "The primary never loads the application or the HTTP stack": (
        "primary/mail.py",
        "import prefork.worker.server",
    ),
    "HTTP and frames are sans-I/O": ("http/limits.py", "import socket"),
    "A worker does not decide about other workers": (
        "worker/link.py",
        "import prefork.core.fleet",
    ),
    "click stays in the command line; psutil in control.sample": (
        "primary/tally.py",
        "import psutil",
    ),
    "No cycles anywhere": ("primary/reaper.py", "import prefork.primary.host"),
}


def lint(directory: Path) -> str:
    """Run the linter over the tree below *directory*; return what it prints."""
    run = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", run, "--no-cache"]
    finished = subprocess.run(
        command,
        cwd=directory,
        env={"PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.stdout + finished.stderr


def verdicts(tmp_path: Path, planted: dict[str, tuple[str, str]]) -> dict[str, bool]:
    """By contract, whether it is kept in a copy of the source with *planted* lines added."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, line in planted.values():
        with (tmp_path / "src" / "prefork" / name).open("a") as module:
            module.write(f"\n{line}\n")
    printed = lint(tmp_path)
    names = [contract["name"] for contract in CONTRACTS]
    assert all(f"{name} KEPT" in printed or f"{name} BROKEN" in printed for name in names), printed
    return {name: f"{name} KEPT" in printed for name in names}


def test_every_contract_is_kept(tmp_path: Path) -> None:
    assert set(verdicts(tmp_path, {}).values()) == {True}


def test_every_contract_breaks_when_it_is_broken(tmp_path: Path) -> None:
    assert PLANTED.keys() == {contract["name"] for contract in CONTRACTS}
    assert set(verdicts(tmp_path, PLANTED).values()) == {False}
