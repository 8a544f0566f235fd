"""Where in a folder the application is, told from the source alone: nothing is imported."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODULES = ("main", "app", "api", "asgi")  # as fastapi, uvicorn and Django name them
NAMES = ("app", "application", "handler")
ELSEWHERE = frozenset({"test", "tests", "docs", "examples", "benchmarks"})
SOURCE = "src"


@dataclass(frozen=True, slots=True)
class Found:
    """An application, as MODULE:ATTRIBUTE seen from *app_dir*, and the file that it is in."""

    app: str
    app_dir: str
    file: Path


def find(folder: Path) -> Found | None:
    """The first one, of the modules in *folder* and its packages, then those in its `src`."""
    return next(_every(folder), None)


def _every(folder: Path) -> Iterator[Found]:
    for app_dir in (".", SOURCE):
        for package in ("", *_packages(folder / app_dir)):
            for module in MODULES:
                file = folder / app_dir / package / f"{module}.py"
                if attribute := _attribute(file):
                    name = ".".join(filter(None, (package, module)))
                    yield Found(f"{name}:{attribute}", app_dir, file)


def _packages(folder: Path) -> list[str]:
    """The packages right in the folder that may hold the program itself."""
    names = (file.parent.name for file in sorted(folder.glob("*/__init__.py")))
    return [name for name in names if name.isidentifier() and name not in ELSEWHERE]


def _attribute(file: Path) -> str | None:
    """The name, in order of preference, that the module gives something to."""
    try:
        module = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None  # nothing that could be served as it is
    assigned = {name for statement in module.body for name in _assigned(statement)}
    return next((name for name in NAMES if name in assigned), None)


def _assigned(statement: ast.stmt) -> list[str]:
    """What a statement at module level names that might be an application."""
    match statement:
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return [name]
        case ast.AsyncFunctionDef(name=name):
            return [name]
        case _:
            return []
