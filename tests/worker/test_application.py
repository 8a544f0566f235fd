import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prefork.errors import AppError
from prefork.worker.application import Application, load

MODULE = """
    import functools

    value = 5

    class App:
        async def __call__(self, scope, receive, send): ...

    class Callable:
        async def __call__(self, request): ...

    class Shy:
        async def __call__(self, *args): ...

    app = App()
    nested = type("Box", (), {"app": app})
    one = Callable()
    shy = Shy()

    async def asgi(scope, receive, send): ...
    def sync_asgi(scope, receive, send): return app(scope, receive, send)
    async def defaults(scope, receive, send, extra=None, *, key=1): ...
    async def handler(request): ...
    def sync_handler(request): ...
    def wsgi(environ, start_response): ...
    async def async_wsgi(environ, start_response): ...
    def make(): return app
    def make_handler(): return handler
    def make_nothing(): return 5
    def make_error(): raise OSError("no database")
    async def make_async(): return app

    partial = functools.partial(lambda app, scope, receive, send: None, app)

    async def with_settings(settings, request): ...
    partial_handler = functools.partial(with_settings, {})

    def passes_through(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)
        return wrapper

    decorated = passes_through(handler)
    decorated_asgi = passes_through(asgi)
    decorated_wsgi = passes_through(wsgi)

    class Gateway:
        def __call__(self, environ, start_response): ...

    wsgi_object = Gateway()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write(tmp_path / "sample.py", MODULE)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text))


def loaded(folder: Path, spec: str, interface: Any = "auto") -> Application:
    return load(spec, str(folder), interface)


def reason(folder: Path, spec: str, interface: Any = "auto") -> str:
    with pytest.raises(AppError) as error:
        load(spec, str(folder), interface)
    return str(error.value)


def detail(folder: Path, spec: str) -> str:
    with pytest.raises(AppError) as error:
        load(spec, str(folder), "auto")
    return error.value.detail


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("app", "asgi"),
        ("asgi", "asgi"),
        ("sync_asgi", "asgi"),
        ("defaults", "asgi"),
        ("partial", "asgi"),
        ("decorated_asgi", "asgi"),
        ("nested.app", "asgi"),
        ("make()", "asgi"),
        ("wsgi", "wsgi"),
        ("wsgi_object", "wsgi"),
        ("decorated_wsgi", "wsgi"),
        ("handler", "handler"),
        ("one", "handler"),
        ("partial_handler", "handler"),
        ("decorated", "handler"),
        ("make_handler()", "handler"),
    ],
)
def test_the_interface_is_recognised(folder: Path, name: str, kind: str) -> None:
    assert loaded(folder, f"sample:{name}").kind == kind


FRAMEWORKS = """
    import flask
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler

    class Traced(flask.Flask):
        def __call__(self, *args, **kwargs): ...

    class Both(flask.Flask):
        async def __call__(self, scope, receive, send): ...

    class Handler(WSGIHandler):
        def __init__(self): ...
        __call__ = lambda self, *args: None

    class Asgi(ASGIHandler):
        def __init__(self): ...

    plain, traced, both = flask.Flask("a"), Traced("a"), Both("a")
    django, asgi = Handler(), Asgi()
"""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("plain", "wsgi"),
        ("traced", "wsgi"),
        ("both", "asgi"),
        ("django", "wsgi"),
        ("asgi", "asgi"),
    ],
)
def test_a_framework_is_recognised_whatever_its_signature(
    folder: Path, name: str, kind: str
) -> None:
    write(folder / "frameworks.py", FRAMEWORKS)
    assert loaded(folder, f"frameworks:{name}").kind == kind


def test_the_name_is_app_unless_it_is_said(folder: Path) -> None:
    application = loaded(folder, "sample")
    assert application.callable is sys.modules["sample"].app


def test_the_interface_can_be_forced(folder: Path) -> None:
    assert loaded(folder, "sample:shy", "handler").kind == "handler"
    assert loaded(folder, "sample:shy", "asgi").kind == "asgi"


def test_app_dir_comes_first(folder: Path) -> None:
    write(folder / "difflib.py", "async def app(request): ...")
    kept = sys.modules.pop("difflib")
    try:
        assert loaded(folder, "difflib").kind == "handler"
    finally:
        sys.modules["difflib"] = kept
    assert sys.path[0] == str(folder)
    loaded(folder, "sample")
    assert sys.path.count(str(folder)) == 1


def test_a_link_that_is_switched_later_does_not_mix_old_code_with_new(folder: Path) -> None:
    for release in ("old", "new"):
        (folder / release).mkdir()
        write(folder / release / "shop.py", "async def app(request): import extra; return extra")
        write(folder / release / "extra.py", f"release = {release!r}")
    current = folder / "current"
    current.symlink_to("old")
    app = loaded(current, "shop").callable
    current.unlink()
    current.symlink_to("new")
    with pytest.raises(StopIteration) as served:
        app(None).send(None)
    assert served.value.value.release == "old"


def test_a_submodule_is_found(folder: Path) -> None:
    write(folder / "package" / "site.py", "async def app(request): ...")
    assert loaded(folder, "package.site").kind == "handler"


@pytest.mark.parametrize(
    ("spec", "missing"),
    [("absent:app", "absent"), ("absent.site:app", "absent"), ("sample.site:app", "sample.site")],
)
def test_a_missing_module_is_named(folder: Path, spec: str, missing: str) -> None:
    assert reason(folder, spec) == f"no such module {missing!r} (looked in {folder} first)"
    assert detail(folder, spec) == ""


def test_a_module_that_misses_another_has_raised(folder: Path) -> None:
    write(folder / "needy.py", "import absent")
    assert reason(folder, "needy").startswith("the module 'needy' raised: ModuleNotFoundError")


def test_a_module_that_raises_shows_its_own_traceback(folder: Path) -> None:
    write(folder / "broken.py", "import cause\n")
    write(folder / "cause.py", "def fail():\n    return 1 / 0\nfail()\n")
    assert (
        reason(folder, "broken")
        == "the module 'broken' raised: ZeroDivisionError: division by zero"
    )
    trace = detail(folder, "broken")
    assert [line for line in trace.splitlines() if line.startswith("  File")] == [
        f'  File "{folder}/broken.py", line 1, in <module>',
        f'  File "{folder}/cause.py", line 3, in <module>',
        f'  File "{folder}/cause.py", line 2, in fail',
    ]
    assert trace.endswith("ZeroDivisionError: division by zero")


def test_the_traceback_has_the_causes_too(folder: Path) -> None:
    write(
        folder / "broken.py",
        "try:\n    import absent\nexcept ImportError as e:\n    raise OSError from e",
    )
    trace = detail(folder, "broken")
    assert "ModuleNotFoundError: No module named 'absent'" in trace
    assert "importlib" not in trace
    assert "worker/application" not in trace


def test_a_syntax_error_shows_the_line(folder: Path) -> None:
    write(folder / "broken.py", "x = (\n")
    assert reason(folder, "broken").startswith("the module 'broken' raised: ")
    assert f'File "{folder}/broken.py", line 1' in detail(folder, "broken")


def test_a_module_that_exits_has_raised(folder: Path) -> None:
    write(folder / "broken.py", "raise SystemExit(3)")
    assert reason(folder, "broken") == "the module 'broken' raised: SystemExit: 3"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sample:ap", "module 'sample' has no 'ap' (did you mean 'app'?)"),
        ("sample:zzz", "module 'sample' has no 'zzz' (did you mean 'app'?)"),
        ("sample:nested.ap", "'Box' has no 'ap' (did you mean 'app'?)"),
        ("sample:app.zzz", "has no 'zzz'"),
    ],
)
def test_a_missing_attribute_is_named(folder: Path, spec: str, message: str) -> None:
    assert reason(folder, spec).startswith("no such attribute: ")
    assert reason(folder, spec).endswith(message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("value", "not callable: sample:value is an int"),
        ("value()", "not callable: the factory of sample:value() is an int"),
        ("make_nothing()", "not callable: sample:make_nothing() is an int"),
        ("make_error()", "the factory sample:make_error() raised: OSError: no database"),
        ("make_async()", "the factory sample:make_async() must not be async"),
        (
            "App",
            "sample:App is a class: ASGI 2 is not served; for an instance of it write sample:App()",
        ),
        ("sync_handler", "the handler sample:sync_handler must be async: write `async def`"),
        (
            "make",
            "sample:make is neither ASGI (scope, receive, send), nor WSGI (environ, "
            "start_response), nor a handler (request); "
            "a factory? write it with ()",
        ),
        (
            "async_wsgi",
            "sample:async_wsgi is neither ASGI (scope, receive, send), nor WSGI (environ, "
            "start_response), nor a handler (request); --interface says what it is",
        ),
        (
            "shy",
            "sample:shy is neither ASGI (scope, receive, send), nor WSGI (environ, "
            "start_response), nor a handler (request); "
            "--interface says what it is",
        ),
    ],
)
def test_what_cannot_be_served_is_told(folder: Path, name: str, message: str) -> None:
    assert reason(folder, f"sample:{name}") == message


def test_the_factory_s_own_traceback_is_shown(folder: Path) -> None:
    trace = detail(folder, "sample:make_error()")
    assert trace.count("  File ") == 1
    assert "in make_error" in trace


@pytest.mark.parametrize(
    ("spec", "meant"), [("sample.py:app", "sample"), ("web/site.py:app", "web.site")]
)
def test_a_file_name_is_no_module_name(folder: Path, spec: str, meant: str) -> None:
    assert reason(folder, spec).endswith(f"(did you mean {meant!r}?)")
