"""What programs find out about their own main module, each in the way in which it was started."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = """
import functools, json
from dataclasses import asdict
from prefork.cluster import origin
def own(): pass
main = origin.main()
troubles = [bool(origin.trouble(each, main)) for each in (own, functools.partial(own), json.dumps)]
print(json.dumps([main.name, main.path, troubles]))
"""


def told(directory: Path, *arguments: str, said: str = "") -> Any:
    """Run a Python there; return name and path of its main module, and who is not to be found."""
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=directory, input=said, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_a_script_is_found_by_its_path_wherever_it_is_started(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(PROGRAM)
    assert told(tmp_path, "shop.py") == ["", str(tmp_path / "shop.py"), [False, False, False]]


def test_a_module_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "till.py").write_text(PROGRAM)
    assert told(tmp_path, "-m", "shop.till") == ["shop.till", "", [False, False, False]]


def test_what_a_package_runs_is_not_imported_again(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__main__.py").write_text(PROGRAM)
    for arguments in (["-m", "shop"], ["shop"]):
        assert told(tmp_path, *arguments) == ["", "", [True, True, False]]


def test_what_was_typed_or_piped_can_not_be_imported(tmp_path: Path) -> None:
    assert told(tmp_path, "-c", PROGRAM) == ["", "", [True, True, False]]
    assert told(tmp_path, "-", said=PROGRAM) == ["", "", [True, True, False]]
