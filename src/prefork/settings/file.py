"""The configuration file: which one it is, and what it says."""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefork.errors import SettingsError
from prefork.settings.checks import shown
from prefork.settings.declaration import Described, spelled
from prefork.settings.parsing import Text, is_several, kinds
from prefork.settings.running import STDOUT
from prefork.settings.schema import described
from prefork.settings.sources import Given

OWN = Path("prefork.toml")
SHARED = Path("pyproject.toml")  # its table [tool.prefork]
ENV, PROFILE = "env", "profile"  # the tables beside the settings
OURS = "PREFORK_"


@dataclass(slots=True)
class Contents:
    """What a file says, and what is wrong with it."""

    path: Path
    profiles: list[str] = field(default_factory=list)
    given: dict[str, Given] = field(default_factory=dict)  # by name of the setting
    env: dict[str, str] = field(default_factory=dict)  # for the application
    problems: list[str] = field(default_factory=list)


def find(directory: Path) -> Path | None:
    """The file that is read where none is named: prefork.toml, else a pyproject.toml of ours."""
    if (own := directory / OWN).exists():
        return own
    shared = directory / SHARED
    try:
        return shared if shared.exists() and _table(shared) is not None else None
    except SettingsError:
        return None  # a pyproject.toml that nobody can read is somebody else's trouble


def read(path: Path, profile: str | None = None) -> Contents:
    """Read a file, and merge what *profile* says over it. Raises SettingsError: it is no TOML."""
    table = _table(path)
    if table is None:
        raise SettingsError(f"{path} has no table [tool.prefork]")
    contents = Contents(path)
    profiles = _subtable(contents, table.pop(PROFILE, {}), f"[{PROFILE}]")
    contents.profiles = list(profiles)
    _take(contents, table, "")
    for name, each in profiles.items():
        where = f"[{PROFILE}.{name}]"
        beside = contents if name == profile else Contents(path)
        _take(beside, _subtable(contents, each, where), where)
        if beside is not contents:
            contents.problems += beside.problems
    if profile is not None and profile not in profiles:
        contents.problems.append(_unknown_profile(path, profile, list(profiles)))
    return contents


def _table(path: Path) -> dict[str, Any] | None:
    """The file's settings; None: a pyproject.toml without any."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path} is no TOML: {error}") from None
    if path.name != SHARED.name:
        return table
    ours = table.get("tool", {}).get("prefork")
    return ours if isinstance(ours, dict) else None


def _take(contents: Contents, table: dict[str, Any], where: str) -> None:
    """Merge a table of settings, which may hold a table `env`, into the contents."""
    place = f"{where} of {contents.path}" if where else str(contents.path)
    env = _subtable(contents, table.pop(ENV, {}), f"{where or ''}[{ENV}]")
    contents.env |= dict(_variables(contents, env, place))
    known = {each.name: each for each in described()}
    for key, value in table.items():
        if key not in known:
            contents.problems.append(f"{place}: {_unknown(key, list(known))}")
            continue
        label = f"{key} in {place}"
        try:
            text = _placed(known[key], _text(known[key], value), contents.path.parent)
        except ValueError as error:
            contents.problems.append(f"{label} {error}")
        else:
            contents.given[key] = Given(label, text, place)


def _subtable(contents: Contents, value: object, where: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return dict(value)
    contents.problems.append(f"{where} of {contents.path} must be a table (got {shown(value)})")
    return {}


def _text(each: Described, value: object) -> Text:
    """A value of TOML as it would be typed. Raises ValueError for one that nobody could type."""
    if isinstance(value, list) and is_several(each.type):
        if all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ValueError(f"must be a list of strings (got {shown(value)})")
    if isinstance(value, str):
        return (value,) if is_several(each.type) else value
    if kinds(each.type) == (str,):  # 0o660 would be 432
        raise ValueError(f"must be a string (got {shown(value)})")
    if isinstance(value, bool | int | float):
        return spelled(value)
    raise ValueError(f"must be one plain value (got {shown(value)})")


def _placed(each: Described, text: Text, folder: Path) -> Text:
    """A path counts from the file's own folder, wherever prefork is started."""
    if not each.doc.is_path or text == STDOUT:
        return text
    if isinstance(text, str):
        return os.fspath(folder / text)
    return tuple(os.fspath(folder / one) for one in text)


def _variables(
    contents: Contents, table: Mapping[str, object], place: str
) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if not isinstance(value, str | bool | int | float):
            wrong = f"must be one plain value (got {shown(value)})"
        elif not name or "=" in name or "\0" in f"{name}{value}":
            wrong = "is no name and value of a variable"
        elif name.startswith(OURS):
            wrong = f"sets nothing here: write {name.removeprefix(OURS).lower()} = … as a setting"
        else:
            yield name, spelled(value)
            continue
        contents.problems.append(f"{name} in [{ENV}] of {place} {wrong}")


def _unknown(key: str, known: list[str]) -> str:
    return f"unknown setting {key!r}{_suggestion(key.replace('-', '_'), known)}"


def _unknown_profile(path: Path, name: str, known: list[str]) -> str:
    return f"{path} has no [{PROFILE}.{name}]{_suggestion(name, known)}"


def _suggestion(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
