"""Which changes of files count."""

from pathlib import Path
from typing import Any

import pytest
from watchfiles import Change

from prefork.aides.watcher import MOST_NAMED, Filter, named, watched
from prefork.settings.schema import Settings


def counts(place: Path, name: str, **settings: Any) -> bool:
    chosen = Settings(app="a:b", reload_dir=(str(place),), **settings)
    return Filter(chosen)(None, str(place / name))


@pytest.mark.parametrize("name", ["app.py", "deep/er/app.py", "build/x.py"])
def test_python_files_count(tmp_path: Path, name: str) -> None:
    assert counts(tmp_path, name)


@pytest.mark.parametrize(
    "name", ["app.txt", "app.pyc", "__pycache__/app.py", ".venv/lib/x.py", ".git/hook.py"]
)
def test_others_and_what_tools_write_do_not(tmp_path: Path, name: str) -> None:
    assert not counts(tmp_path, name)


def test_what_is_included_and_excluded_is_told_by_names(tmp_path: Path) -> None:
    chosen: dict[str, Any] = {
        "reload_include": ("*.html",),
        "reload_exclude": ("t*", "x.py"),
    }
    assert counts(tmp_path, "page.html", **chosen)
    assert counts(tmp_path, "app.py", **chosen)
    assert not counts(tmp_path, "x.py", **chosen)
    assert not counts(tmp_path, "tests/page.html", **chosen)


def test_where_the_watched_directory_lies_does_not_matter(tmp_path: Path) -> None:
    place = tmp_path / "node_modules" / "shop"
    place.mkdir(parents=True)
    assert counts(place, "app.py")


def test_of_nested_directories_the_nearest_decides(tmp_path: Path) -> None:
    inner = tmp_path / ".venv" / "src" / "library"
    settings = Settings(app="a:b", reload_dir=(str(tmp_path), str(tmp_path)))
    assert not Filter(settings)(None, str(inner / "x.py"))
    inner.mkdir(parents=True)
    settings = Settings(app="a:b", reload_dir=(str(tmp_path), str(inner)))
    assert Filter(settings)(None, str(inner / "x.py"))


def test_without_directories_the_applications_is_watched(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert watched(Settings(app="a:b", app_dir=str(tmp_path / "link"))) == [str(tmp_path)]


def test_a_long_list_of_files_is_told_in_short(tmp_path: Path) -> None:
    paths = [f"{tmp_path}/{number}.py" for number in range(MOST_NAMED + 3)]
    assert list(named(paths, "/")) == [*(path[1:] for path in paths[:MOST_NAMED]), "3 more"]
    assert list(named([f"{tmp_path}/app.py"], f"{tmp_path}/")) == ["app.py"]


def test_a_directory_that_comes_with_code_counts(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    settings = Settings(app="a:b", reload_dir=(str(tmp_path),))
    assert not Filter(settings)(Change.added, str(package))
    (package / "data").mkdir()
    (package / "data" / "x.py").touch()
    assert Filter(settings)(Change.added, str(package))
    assert not Filter(settings)(Change.modified, str(package))
