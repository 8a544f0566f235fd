"""What the proof of an archive refuses; `make dist` runs it on real ones."""

import tarfile
import zipfile
from pathlib import Path

import pytest
from tests import dist


def a_wheel(folder: Path, names: set[str]) -> Path:
    path = folder / "prefork-0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names | {"prefork-0.dist-info/METADATA"}:
            archive.writestr(name, "")
    return path


def an_sdist(folder: Path, names: set[str]) -> Path:
    path = folder / "prefork-0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in names | {"PKG-INFO"}:
            archive.addfile(tarfile.TarInfo(f"prefork-0/{name}"))
    return path


def packed() -> set[str]:
    """What an sdist of the checkout should hold."""
    inside = {f"{folder}/{n}" for folder in dist.FOLDERS for n in dist.wanted(dist.ROOT / folder)}
    return inside | set(dist.FILES)


def test_a_wheel_is_the_package_and_nothing_else(tmp_path: Path) -> None:
    whole = dist.wanted(dist.ROOT / "src")
    assert {"prefork/py.typed", "prefork/__main__.py"} <= whole
    dist.inspect_wheel(a_wheel(tmp_path, whole))
    with pytest.raises(AssertionError, match=r"lacks \['prefork/py.typed'\]"):
        dist.inspect_wheel(a_wheel(tmp_path, whole - {"prefork/py.typed"}))
    with pytest.raises(AssertionError, match=r"should not hold \['tests/dist.py'\]"):
        dist.inspect_wheel(a_wheel(tmp_path, whole | {"tests/dist.py"}))


def test_an_sdist_holds_what_make_test_needs(tmp_path: Path) -> None:
    dist.inspect_sdist(an_sdist(tmp_path, packed()))
    for name in ("Makefile", "mkdocs.yml", "tests/dist.py", "docs/tutorial.md"):
        with pytest.raises(AssertionError, match=rf"lacks \['{name}'\]"):
            dist.inspect_sdist(an_sdist(tmp_path, packed() - {name}))
