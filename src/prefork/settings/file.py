"""The configuration file: which one it is, and what it says."""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefork.errors import SettingsError
from prefork.settings.checks import WIDEST, got, shown
from prefork.settings.declaration import Described, spelled
from prefork.settings.parsing import Text, is_several, kinds
from prefork.settings.pooling import KEYS, POOL, meant
from prefork.settings.running import STDOUT
from prefork.settings.schema import described
from prefork.settings.sources import Given
from prefork.settings.written import text_of

OWN = Path("prefork.toml")
SHARED = Path("pyproject.toml")  # its table [tool.prefork]
ENV, PROFILE = "env", "profile"  # the tables beside the settings
OURS = "PREFORK_"
BITS = 64  # of a whole number, as TOML has it; Python has no bounds, but fails to spell long ones
KINDS: dict[type, str] = {
    dict: "a table",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
}


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
    if os.path.lexists(own := directory / OWN):  # a link that leads nowhere is to be told
        return own
    shared = directory / SHARED
    try:
        return shared if _table(shared) is not None else None
    except SettingsError:
        return shared if _mentions_us(shared) else None


def _mentions_us(shared: Path) -> bool:
    """A pyproject.toml that nobody can read is somebody else's trouble, unless we are in it."""
    try:
        return "tool.prefork" in text_of(shared)
    except SettingsError:
        return False


def read(path: Path, profile: str | None = None) -> Contents:
    """Read a file, and merge what *profile* says over it. Raises SettingsError: it is no TOML."""
    table = _table(path)
    if table is None:
        raise SettingsError(f"{shown(path)} has no table [tool.prefork]")
    contents = Contents(path)
    profiles = _subtable(contents, table.pop(PROFILE, {}), PROFILE)
    contents.profiles = list(profiles)
    _take(contents, table)
    for name, each in profiles.items():
        beside = contents if name == profile else Contents(path)
        _take(beside, _subtable(contents, each, PROFILE, name), PROFILE, name)
        if beside is not contents:
            contents.problems += beside.problems
    if profile is not None and profile not in profiles:
        contents.problems.append(_unknown_profile(path, profile, list(profiles)))
    return contents


def _table(path: Path) -> dict[str, Any] | None:
    """The file's settings; None: a pyproject.toml without any."""
    try:
        table = tomllib.loads(text_of(path))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{shown(path)} is no TOML: {error}") from None
    except ValueError:  # int() refuses it
        raise SettingsError(f"{shown(path)} has a number of too many digits") from None
    except RecursionError:
        raise SettingsError(f"{shown(path)} has values nested too deeply") from None
    if path.name != SHARED.name:
        return table
    tool = table.get("tool")
    ours = tool.get("prefork") if isinstance(tool, dict) else None
    if isinstance(ours, dict | None):
        return ours
    raise SettingsError(f"tool.prefork in {shown(path)} must be a table (got {_kind(ours)})")


def _place(path: Path, *names: str) -> str:
    """A table of the file, as a message names it."""
    if not names:
        return shown(path)
    above = ("tool", "prefork") if path.name == SHARED.name else ()
    return f"[{'.'.join([*above, *map(shown, names)])}] of {shown(path)}"


def _take(contents: Contents, table: dict[str, Any], *names: str) -> None:
    """Merge a table of settings, which may hold tables `env` and `pool`, into the contents."""
    place = _place(contents.path, *names)
    env = _subtable(contents, table.pop(ENV, {}), *names, ENV)
    contents.env |= dict(_variables(contents, env, _place(contents.path, *names, ENV)))
    pool = table.pop(POOL) if isinstance(table.get(POOL), dict) else {}
    known = {each.name: each for each in described()}
    _set(contents, table, known, place)
    in_pool = _place(contents.path, *names, POOL)
    for key in [key for key in pool if KEYS.get(key) in table]:
        twice = f"{key} in {in_pool} and {KEYS[key]} in {place} are the same"
        contents.problems.append(f"{twice}: leave one of them out")
    _set(contents, pool, {key: known[name] for key, name in KEYS.items()}, in_pool)


def _set(
    contents: Contents, table: dict[str, Any], known: Mapping[str, Described], place: str
) -> None:
    """Note what the table says of the settings that it may have; *known*: by key."""
    for key, value in table.items():
        if key not in known:
            contents.problems.append(f"{place}: {_unknown(key, list(known))}")
            continue
        each, label = known[key], f"{key} in {place}"
        try:
            text = _placed(each, _text(each, value), contents.path.parent)
        except ValueError as error:
            contents.problems.append(f"{label} {error}")
        else:
            contents.given[each.name] = Given(label, text, place)


def _subtable(contents: Contents, value: object, *names: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return dict(value)
    place = _place(contents.path, *names)
    contents.problems.append(f"{place} must be a table (got {_kind(value)})")
    return {}


def _text(each: Described, value: object) -> Text:
    """A value of TOML as it would be typed. Raises ValueError for one that nobody could type."""
    if isinstance(value, list) and is_several(each.type):
        for item in value:
            if not isinstance(item, str):
                raise ValueError(f"must be a list of strings (got {_kind(item)} in it)")
        return tuple(value)
    word = _word(value)
    if kinds(each.type) == (str,) and not isinstance(value, str):  # 0o660 would be 432
        raise ValueError(got("must be a string", word))
    return (word,) if is_several(each.type) else word


def _word(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > BITS:
        raise ValueError("must be a number of fewer digits")
    if isinstance(value, str | bool | int | float):
        return spelled(value)
    raise ValueError(f"must be one plain value (got {_kind(value)})")


def _kind(value: object) -> str:
    """What it is, and not what it says: that may be long, nested without end, or a secret."""
    return KINDS.get(type(value), "a date or time")


def _placed(each: Described, text: Text, folder: Path) -> Text:
    """A path counts from the file's own folder, wherever prefork is started."""
    if not each.doc.is_path or text in (STDOUT, ""):
        return text
    if isinstance(text, str):
        return os.fspath(folder / text)
    return tuple(os.fspath(folder / one) for one in text)


def _variables(
    contents: Contents, table: Mapping[str, object], place: str
) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        try:
            word = _word(value)
        except ValueError as error:
            contents.problems.append(f"{shown(name)} in {place} {error}")
            continue
        if wrong := _wrong(name, word):
            contents.problems.append(f"{shown(name)} in {place} {wrong}")
        else:
            yield name, word


def _wrong(name: str, word: str) -> str | None:
    """What is wrong with a variable for the application."""
    if not name or "=" in name or "\0" in name + word:
        return "must have a name without =, and no character NUL"
    try:
        os.fsencode(name + word)
    except UnicodeEncodeError:
        return "has characters that this locale's environment can't hold"
    if name.startswith(OURS):
        return f"sets nothing here: write {shown(name.removeprefix(OURS).lower())} as a setting"
    return None


def _unknown(key: str, known: list[str]) -> str:
    word = key.replace("-", "_")
    in_pool = POOL not in known
    if name := meant(key) or (meant(f"{POOL}_{key}") if in_pool else None):
        word = next(each for each in KEYS if KEYS[each] == name) if in_pool else name
    hint = _suggestion(word, known) or _suggestion(word.removeprefix(f"{POOL}_"), known)
    if key == "tool":
        hint = f" ([tool.prefork] is for {SHARED}; here settings stand without it)"
    return f"unknown setting {_quoted(key)}{hint}"


def _unknown_profile(path: Path, name: str, known: list[str]) -> str:
    return f"{shown(path)} has no [{PROFILE}.{shown(name)}]{_suggestion(name, known)}"


def _suggestion(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1) if len(word) <= WIDEST else []
    return f" (did you mean {_quoted(close[0])}?)" if close else ""


def _quoted(word: str) -> str:
    return repr(word if len(word) <= WIDEST else word[:WIDEST] + "…")
