"""Where results are written, and what is said about the machine."""

import json
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
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
    "numpy",
    "pebble",
    "pillow",
)
PROGRAMS = {  # by name: the option that asks for the version, and what stands before it
    "node": ("--version", "v"),
    "nginx": ("-v", "nginx version: nginx/"),
}
NODE_MODULES = Path(__file__).parent / ".peers" / "node_modules"
MODULES = ("piscina",)
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
    for name, (option, prefix) in PROGRAMS.items():
        if shutil.which(name):
            asked = subprocess.run([name, option], capture_output=True, text=True, check=True)
            found[name] = (asked.stdout or asked.stderr).strip().removeprefix(prefix)
    for name in MODULES:
        if (told := NODE_MODULES / name / "package.json").exists():
            found[name] = json.loads(told.read_text())["version"]
    return found


def write(name: str, title: str, method: str, tables: Sequence[object], raw: Any) -> None:
    """Write NAME.md for people and NAME.json with every single measurement."""
    facts = save(name, raw)
    text = page(title, method, tables, facts)
    (RESULTS / f"{name}.md").write_text(text)
    print(text)


def save(name: str, raw: Any) -> dict[str, str]:
    """Write NAME.json; return what was measured on."""
    facts = machine()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({"machine": facts, "rounds": raw}, indent=1))
    return facts


def page(title: str, method: str, tables: Sequence[object], facts: Mapping[str, str]) -> str:
    versions = ", ".join(f"{key} {value}" for key, value in facts.items())
    return (
        "\n\n".join([f"# {title}", method, f"Measured on: {versions}.", *map(str, tables)]) + "\n"
    )
