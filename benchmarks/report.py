"""Where results are written, and what is said about the machine."""

import json
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "prefork",
    "uvicorn",
    "gunicorn",
    "granian",
    "hypercorn",
    "uvloop",
    "httptools",
    "fastapi",
    "pandas",
)
Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    caption: str
    head: Row
    rows: Sequence[Row]

    def __str__(self) -> str:
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        return "\n".join([self.caption, "", *(f"| {' | '.join(line)} |" for line in lines)])


def machine() -> dict[str, str]:
    """Return what was measured on, and which versions."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(": ")[2] for line in cpuinfo if line.startswith("model name")]
    found = {
        "cpu": f"{len(models)} x {models[0] if models else platform.machine()}",
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if shutil.which("node"):
        asked = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
        found["node"] = asked.stdout.strip().removeprefix("v")
    return found


def write(name: str, title: str, method: str, tables: Sequence[Table], raw: Any) -> None:
    """Write NAME.md for people and NAME.json with every single measurement."""
    facts = machine()
    versions = ", ".join(f"{key} {value}" for key, value in facts.items())
    text = "\n\n".join([f"# {title}", method, f"Measured on: {versions}.", *map(str, tables)])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text + "\n")
    (RESULTS / f"{name}.json").write_text(json.dumps({"machine": facts, "rounds": raw}, indent=1))
    print(text)
