"""Finding the application that `MODULE:NAME` means, and what kind of callable it is."""

import difflib
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from prefork.errors import AppError
from prefork.worker.freshness import import_what_is_written
from prefork.worker.tracebacks import headline, own_traceback

Kind = Literal["asgi", "wsgi", "handler"]
KINDS: dict[int, Kind] = {3: "asgi", 2: "wsgi", 1: "handler"}  # required parameters → kind
WSGI_CLASSES = {("flask.app", "Flask"), ("django.core.handlers.wsgi", "WSGIHandler")}


@dataclass(frozen=True, slots=True)
class Application:
    """A callable and the interface by which it is served."""

    spec: str
    kind: Kind
    callable: Callable[..., Any]
    root_path: str = ""  # below which a proxy offers it, and which that takes away
    threads: int = 1  # that call it at the same time, where it is WSGI


def load(spec: str, app_dir: str, interface: Literal["auto"] | Kind) -> Application:
    """Import what *spec* names: `MODULE`, `MODULE:NAME`, or `MODULE:NAME()` for a factory.

    Raises AppError, with the application's own traceback where it is the one that failed.
    """
    found = imported(spec.removesuffix("()"), app_dir)
    if spec.endswith("()"):
        found = _made_by(found, spec)
    if not callable(found):
        raise AppError(f"not callable: {spec} is {_article(type(found).__name__)}")
    kind = recognise(found, spec) if interface == "auto" else interface
    return Application(spec, kind, found)


def imported(spec: str, app_dir: str) -> Any:
    """Import the object that *spec* names: MODULE:NAME, where without a name it is `app`.

    Raises AppError, with their traceback where their code is what failed.
    """
    module_name, _, name = spec.partition(":")
    return _attribute(_import(module_name, look_first_in(app_dir)), name or "app")


def look_first_in(app_dir: str) -> str:
    """Have modules imported from there before all others; return where it leads now."""
    import_what_is_written()
    path = _resolved(app_dir)
    if sys.path[:1] != [path]:
        sys.path.insert(0, path)
    return path


def _resolved(app_dir: str) -> str:
    """Where *app_dir* leads now: a link that a deploy switches must not mix old code with new."""
    try:
        return os.path.realpath(app_dir)
    except FileNotFoundError:
        raise AppError(
            "the directory that prefork was started in is gone; give --app-dir as an absolute path"
        ) from None


def _import(name: str, path: str) -> Any:
    if name.endswith(".py") or not all(part.isidentifier() for part in name.split(".")):
        hint = name.removesuffix(".py").replace("/", ".").strip(".")
        raise AppError(f"{name!r} is no module name (did you mean {hint!r}?)")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(missing + "."):
            raise AppError(f"no such module {missing!r} (looked in {path} first)") from None
        raise _raised(f"the module {name!r} raised", error) from None
    except BaseException as error:  # noqa: BLE001 - anything may happen in their code
        raise _raised(f"the module {name!r} raised", error) from None


def _attribute(module: Any, dotted: str) -> Any:
    found = module
    for name in dotted.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise AppError(f"no such attribute: {_no_attribute(found, name)}") from None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a __getattr__ of theirs
            raise _raised(f"looking up {name!r} in {_name(found)} raised", error) from None
    return found


def _no_attribute(owner: Any, name: str) -> str:
    known = [other for other in dir(owner) if not other.startswith("_")]
    close = difflib.get_close_matches(name, known, n=1)
    if not close:
        close = [str(usual) for usual in ("app", "application", "handler") if usual in known][:1]
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{_name(owner)} has no {name!r}{hint}"


def _name(owner: Any) -> str:
    kind = "module " if inspect.ismodule(owner) else ""
    return f"{kind}{getattr(owner, '__name__', repr(owner))!r}"


def _made_by(factory: Any, spec: str) -> Any:
    if not callable(factory):
        raise AppError(f"not callable: the factory of {spec} is {_article(type(factory).__name__)}")
    try:
        made = factory()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - likewise
        raise _raised(f"the factory {spec} raised", error) from None
    if inspect.iscoroutine(made):
        made.close()
        raise AppError(f"the factory {spec} must not be async")
    return made


def recognise(found: Callable[..., Any], spec: str) -> Kind:
    """Which interface a callable has. Raises AppError for one that we don't serve."""
    if inspect.isclass(found):
        raise AppError(
            f"{spec} is a class: ASGI 2 is not served; for an instance of it write {spec}()"
        )
    count = _required(found)
    kind = KINDS.get(count)
    if kind in (None, "handler") and _is_known_wsgi(found):
        return "wsgi"
    if kind is None or (kind == "wsgi" and _is_async(found)):
        raise AppError(
            f"{spec} is neither ASGI (scope, receive, send), nor WSGI (environ, start_response), "
            "nor a handler (request); "
            + ("a factory? write it with ()" if count == 0 else "--interface says what it is")
        )
    if kind == "handler" and not _is_async(found):
        raise AppError(f"the handler {spec} must be async: write `async def`")
    return kind


def _is_known_wsgi(found: Any) -> bool:
    """Whether a framework made it, whose `__call__` may be wrapped in something that tells less."""
    return any((each.__module__, each.__qualname__) in WSGI_CLASSES for each in type(found).__mro__)


def _required(found: Callable[..., Any]) -> int:
    """How many positional arguments it must be given; -1 where nobody can tell."""
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):
        return -1
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return -1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is p.empty for p in parameters)


def _is_async(found: Callable[..., Any]) -> bool:
    """Also where decorators, partials or an instance's `__call__` are in the way."""
    while True:
        if inspect.iscoroutinefunction(found):
            return True
        inner = getattr(found, "__wrapped__", None) or getattr(found, "func", None)
        if inner is None:
            break
        found = inner
    return inspect.iscoroutinefunction(getattr(type(found), "__call__", None))  # noqa: B004


def _raised(what: str, error: BaseException) -> AppError:
    return AppError(f"{what}: {headline(error)}", own_traceback(error))


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
