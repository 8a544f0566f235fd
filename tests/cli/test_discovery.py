from pathlib import Path

import pytest

from prefork.cli.discovery import Found, find


def write(folder: Path, **files: str) -> None:
    """Write files named by keyword, `__` for a slash."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def package(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()


@pytest.mark.parametrize(
    ("source", "attribute"),
    [
        ("app = FastAPI()", "app"),
        ("application: ASGI = get_asgi_application()", "application"),
        ("async def handler(request): ...", "handler"),
        ("handler = 1\napp = 2", "app"),
        ("import os\na = app = 2", "app"),
        ("app: ASGI", None),
        ("def app(environ, start_response): ...", "app"),
        ("def app(config): ...", None),
        ("if debug:\n    app = 1", None),
        ("def make():\n    app = 1", None),
        ("shop.app = 1", None),
        ("app = = 1", None),
        ("app = '\0'", None),
    ],
)
def test_an_application_is_what_a_module_gives_one_of_the_names_to(
    tmp_path: Path, source: str, attribute: str | None
) -> None:
    write(tmp_path, main=source)
    found = find(tmp_path)
    assert (found.app if found else None) == (f"main:{attribute}" if attribute else None)


@pytest.mark.parametrize(
    ("file", "source", "app"),
    [
        ("wsgi", "application = get_wsgi_application()", "wsgi:application"),
        ("mysite/wsgi", "application = get_wsgi_application()", "mysite.wsgi:application"),
        ("app", "def create_app(config=None, *, debug=False): ...", "app:create_app()"),
        ("flaskr/__init__", "def create_app(test_config=None): ...", "flaskr:create_app()"),
        ("flaskr/__init__", "app = Flask(__name__)", "flaskr:app"),
        ("main", "def make_app(): ...\napp = make_app()", "main:app"),
        ("app", "def create_app(config): ...", None),
        ("app", "def create_app(*, config): ...", None),
        ("app", "def build(): ...", None),
        ("__init__", "app = 1", None),
    ],
)
def test_what_flask_and_django_make_is_found(
    tmp_path: Path, file: str, source: str, app: str | None
) -> None:
    for folder in ("mysite", "flaskr"):
        package(tmp_path / folder)
    (tmp_path / f"{file}.py").write_text(source)
    found = find(tmp_path)
    assert (found.app if found else None) == app


def test_nothing_is_imported(tmp_path: Path) -> None:
    write(tmp_path, main="app = 1\nraise SystemExit(7)")
    assert find(tmp_path) == Found("main:app", ".", tmp_path / "main.py")


def test_modules_come_before_packages_and_these_before_src(tmp_path: Path) -> None:
    package(tmp_path / "src" / "shop")
    package(tmp_path / "shop")
    seen = []
    for name in ("src__shop__asgi", "src__api", "shop__app", "asgi", "main"):
        write(tmp_path, **{name: "app = 1"})
        found = find(tmp_path)
        assert found is not None
        seen.append((found.app, found.app_dir))
    assert seen == [
        ("shop.asgi:app", "src"),
        ("api:app", "src"),
        ("shop.app:app", "."),
        ("asgi:app", "."),
        ("main:app", "."),
    ]


def test_tests_and_folders_that_are_no_packages_are_left_alone(tmp_path: Path) -> None:
    package(tmp_path / "tests")
    package(tmp_path / "not-a-name")
    write(tmp_path, tests__main="app = 1", plain__main="app = 1")
    (tmp_path / "not-a-name" / "main.py").write_text("app = 1")
    (tmp_path / "main.py").mkdir()
    assert find(tmp_path) is None
