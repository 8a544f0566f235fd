"""An env file: which variables it holds, and which of its lines hold none."""

import io
import os
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prefork.errors import SettingsError
from prefork.settings.checks import shown
from prefork.settings.written import text_of

if TYPE_CHECKING:
    from dotenv.parser import Binding


@dataclass(slots=True)
class Lines:
    """What the file adds to the environment, and what is wrong with it."""

    variables: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read(path: str, environment: Mapping[str, str]) -> Lines:
    """Read a file; ${NAME} is looked up in the environment, then in the lines before it."""
    lines = Lines()
    try:
        text = text_of(Path(path))
    except SettingsError as error:
        lines.problems.append(str(error))
        return lines
    known = ChainMap(dict(environment), lines.variables)
    for each in _bindings(text):
        if wrong := _wrong(each):
            lines.problems.append(f"{shown(path)}, line {_number(each)}: {wrong}")
        elif each.key is not None and each.value is not None:
            lines.variables[each.key] = _filled(each.value, known)
    return lines


def _bindings(text: str) -> Iterator["Binding"]:
    from dotenv.parser import parse_stream  # noqa: PLC0415 - it loads `logging`

    return parse_stream(io.StringIO(text))


def _filled(value: str, known: Mapping[str, str]) -> str:
    from dotenv.variables import parse_variables  # noqa: PLC0415 - likewise

    return "".join(atom.resolve(known) for atom in parse_variables(value))


def _wrong(each: "Binding") -> str | None:
    """What no environment could hold, and what dotenv passes over: a name without a value."""
    if "\0" in each.original.string:
        return "must not hold the character NUL"
    try:
        os.fsencode(each.original.string)
    except UnicodeEncodeError:
        return "has characters that this locale's environment can't hold"
    if each.error or (each.key is not None and each.value is None):
        return "must be NAME=VALUE"
    return "must have a name without =" if each.key and "=" in each.key else None


def _number(each: "Binding") -> int:
    """The line that it begins in; dotenv counts from the empty lines before it."""
    text = each.original.string
    return each.original.line + text[: len(text) - len(text.lstrip())].count("\n")
