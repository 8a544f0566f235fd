"""Main modules of scripts, run once more in a process of their own: they change what `sys` has."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

# Loads what the command line says, and tells what came of it.
PROGRAM = """
import json, sys
from prefork.errors import AppError
from prefork.wire.estate import Main
from prefork.worker import main_module
name, path, expression, *search_path = sys.argv[1:]
try:
    main_module.load(Main(name, path, (*search_path, *sys.path), ("script", "--fast")))
    told = {"value": eval(expression, {"sys": sys, "main_module": main_module})}
except AppError as error:
    told = {"refused": str(error), "detail": error.detail}
print(json.dumps(told))
"""
MAIN = "sys.modules['__main__']"


def load(source: str, directory: Path, expression: str = "0", *, name: str = "") -> Any:
    """Load a script of this source, by its path or by *name*; return what the expression gives."""
    path = directory / "shop.py"
    path.write_text(textwrap.dedent(source))
    where = ["", str(path)] if not name else [name, ""]
    command = [sys.executable, "-c", PROGRAM, *where, expression, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ["", "shop"])
def test_what_a_script_defines_is_found_under_both_of_its_names(tmp_path: Path, name: str) -> None:
    told = load(
        "def price(): return 7",
        tmp_path,
        f"[{MAIN}.price(), sys.modules['__mp_main__'] is {MAIN}]",
        name=name,
    )
    assert told == {"value": [7, True]}


@pytest.mark.parametrize("name", ["", "shop"])
def test_what_stands_under_the_guard_is_left_out(tmp_path: Path, name: str) -> None:
    source = """
        opened = False
        if __name__ == "__main__":
            opened = True
    """
    assert load(source, tmp_path, f"[{MAIN}.opened, {MAIN}.__name__]", name=name) == {
        "value": [False, "__mp_main__"]
    }


def test_a_script_has_its_arguments_and_finds_the_modules_beside_it(tmp_path: Path) -> None:
    (tmp_path / "goods.py").write_text("STOCK = 3")
    source = """
        import sys, goods
        arguments = sys.argv
    """
    told = load(source, tmp_path, f"[{MAIN}.goods.STOCK, {MAIN}.arguments]")
    assert told == {"value": [3, ["script", "--fast"]]}


def test_a_script_that_raises_is_named_with_its_own_traceback(tmp_path: Path) -> None:
    told = load("def open():\n    raise OSError('no till')\nopen()", tmp_path)
    path = tmp_path / "shop.py"
    assert told["refused"] == f"the script {path} raised: OSError: no till"
    assert told["detail"] == "\n".join(
        [
            "Traceback (most recent call last):",
            f'  File "{path}", line 3, in <module>',
            "    open()",
            f'  File "{path}", line 2, in open',
            "    raise OSError('no till')",
            "OSError: no till",
        ]
    )


@pytest.mark.parametrize(
    "ending",
    [
        "main_module.refuse_inside()",
        "try:\n    main_module.refuse_inside()\nexcept Exception:\n    sys.exit(1)",
        "try:\n    main_module.refuse_inside()\nexcept Exception:\n    pass",
    ],
    ids=["raises", "exits", "goes on"],
)
def test_a_script_without_a_guard_is_told_to_have_one(tmp_path: Path, ending: str) -> None:
    told = load(f"import sys\nfrom prefork.worker import main_module\n{ending}", tmp_path)
    assert told == {
        "refused": "the script starts a pool as it is imported by that: put what starts it under "
        'if __name__ == "__main__":',
        "detail": "",
    }


def test_once_it_was_run_its_functions_may_start_a_pool(tmp_path: Path) -> None:
    assert load("", tmp_path, "main_module.refuse_inside()") == {"value": None}


def test_where_there_is_no_main_module_that_could_be_run_none_is() -> None:
    command = [sys.executable, "-c", PROGRAM, "", "", f"'main_module' in vars({MAIN})"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"value": True}
