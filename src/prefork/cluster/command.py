"""With which command a script's workers are started: as it was itself, unless told otherwise."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefork.errors import SettingsError

# Flags, the last of which has an argument: by itself, where nothing follows in the word.
_NAMES_CODE = re.compile(r"-[A-VY-Zabd-ln-z]*[mc]")
_TAKES_NEXT = re.compile(r"-[A-VY-Za-z]*[WX]|--check-hash-based-pycs")
LONGEST_NAME = 32  # characters of it; with "script_" and the pid it is still an instance's
_PATH = ((str, os.PathLike), "a path")
_LIST = ((list, tuple), "a list")  # and no str: each letter of it would be an argument
OF_LAUNCH = {"exec": _PATH, "args": _LIST, "exec_argv": _LIST, "cwd": _PATH}


def command(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What is executed: the interpreter as it was called, for the same script, unless told else.

    Raises SettingsError where there is no script that could be read again.
    """
    flags, what, following = _split(sys.orig_argv[1:])
    if (wanted := settings.get("exec")) is not None:
        what = [os.fspath(wanted)]
    elif what in ([], ["-"]):
        raise SettingsError("what was read from standard input can't be run again: set exec=")
    elif not what[0].startswith("-"):
        what = [_absolute(what[0])]
    flags = _said(settings, "exec_argv", flags)
    following = _said(settings, "args", following)
    return (sys.executable, *map(str, flags), *what, *map(str, following))


def interpreter() -> tuple[str, ...]:
    """Give the interpreter, with the flags that it has, but for the one that keeps it alive."""
    return (sys.executable, *(each for each in _split(sys.orig_argv[1:])[0] if each != "-i"))


def _said(settings: Mapping[str, Any], name: str, usual: Sequence[str]) -> Sequence[Any]:
    value = settings.get(name)
    return usual if value is None else value


def check(wanted: Mapping[str, Any]) -> None:
    """Raise TypeError for what no program can be started with; None says nothing."""
    for name, (kinds, what) in OF_LAUNCH.items():
        value = wanted.get(name)
        if value is not None and not isinstance(value, kinds):
            raise TypeError(f"{name} must be {what}, not {type(value).__name__}")


def _split(given: Sequence[str]) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Tell apart the interpreter's flags, SCRIPT, -m MODULE or -c CODE, and what follows.

    Not by `sys.argv`: many a script takes from that, and whoever runs it as `cProfile` does has
    taken its own already.
    """
    at = 0
    while at < len(given) and given[at].startswith("-") and given[at] != "-":
        if _NAMES_CODE.match(given[at]):
            end = at + (2 if _NAMES_CODE.fullmatch(given[at]) else 1)
            return given[:at], given[at:end], given[end:]
        at += 2 if _TAKES_NEXT.fullmatch(given[at]) else 1
    return given[:at], given[at : at + 1], given[at + 1 :]


def _absolute(script: str) -> str:
    """Where it is, though it may have changed the directory, and its workers may begin in another.

    The interpreter knows it of a file, not of an archive.
    """
    file = str(getattr(sys.modules["__main__"], "__file__", ""))
    return file if Path(file).name == Path(script).name else os.path.abspath(script)


def name_of(script: str) -> str:
    """A name that can stand for an application's module, and begin that of an instance."""
    stem = re.sub(r"\W", "_", Path(script).stem, flags=re.ASCII).strip("_")[:LONGEST_NAME]
    return stem if stem.isidentifier() else f"script_{stem}".strip("_")
