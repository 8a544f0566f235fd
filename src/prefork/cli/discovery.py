"""Where in a folder the application is, told from the source alone: nothing is imported."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "__init__"
MODULES = ("main", "app", "api", "asgi", "wsgi", PACKAGE)  # as fastapi, Flask and Django have them
NAMES = ("app", "application", "handler")
FACTORIES = ("create_app", "make_app")  # as Flask names them
ELSEWHERE = frozenset({"test", "tests", "docs", "examples", "benchmarks"})
SOURCE = "src"
WSGI = 2  # arguments: environ, start_response


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
                name = ".".join(part for part in (package, module) if part not in ("", PACKAGE))
                if name and (attribute := _attribute(file)):
                    yield Found(f"{name}:{attribute}", app_dir, file)


def _packages(folder: Path) -> list[str]:
    """The packages right in the folder that may hold the program itself."""
    names = (file.parent.name for file in sorted(folder.glob("*/__init__.py")))
    return [name for name in names if name.isidentifier() and name not in ELSEWHERE]


def _attribute(file: Path) -> str | None:
    """The name, in order of preference, that the module gives something to, or a factory's call."""
    try:
        module = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None  # nothing that could be served as it is
    assigned = {name for statement in module.body for name in _assigned(statement)}
    made = {name for statement in module.body for name in _factory(statement)}
    found = [name for name in NAMES if name in assigned]
    return next(iter(found + [f"{name}()" for name in FACTORIES if name in made]), None)


def _assigned(statement: ast.stmt) -> list[str]:
    """What a statement at module level names that might be an application."""
    match statement:
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return [name]
        case ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.FunctionDef(name=name, args=args) if _required(args) == WSGI:
            return [name]
        case _:
            return []


def _factory(statement: ast.stmt) -> list[str]:
    """The function that it defines, where that can be called without an argument."""
    match statement:
        case ast.FunctionDef(name=name, args=args) if _required(args) == 0:
            return [name]
        case _:
            return []


def _required(args: ast.arguments) -> int:
    """How many arguments must be given."""
    by_position = len(args.posonlyargs) + len(args.args) - len(args.defaults)
    return by_position + args.kw_defaults.count(None)
