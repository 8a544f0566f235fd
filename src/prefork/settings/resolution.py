"""All sources together: the file, the environment with what is added to it, the command line."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from prefork.errors import SettingsError
from prefork.settings import file
from prefork.settings.checks import readable_file
from prefork.settings.parsing import Text
from prefork.settings.schema import Settings
from prefork.settings.sources import Merged, from_command_line, from_environment, merge

CONFIG, PROFILE = "config", "profile"  # say where settings come from, so they are none themselves
CONFIG_VARIABLE, PROFILE_VARIABLE = "PREFORK_CONFIG", "PREFORK_PROFILE"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What `serve` was asked for, and what the process's environment lacks of it."""

    merged: Merged
    variables: Mapping[str, str]  # to be added to the environment
    file: Path | None
    profile: str | None

    def settings(self) -> Settings:
        """Raise SettingsError that names every problem, unless there is none."""
        return self.merged.settings()


def resolve(
    options: Mapping[str, Text | bool | None],
    variables: Mapping[str, str],
    directory: Path = Path(),
) -> Resolution:
    """Read every source. *options*: as typed, `config` and `profile` among them.

    Each wins over those before it: defaults, file, environment, command line. What `env_file` and
    the file's `[env]` name counts as environment where that doesn't have it already.
    """
    typed = {name: text for name, text in options.items() if name not in (CONFIG, PROFILE)}
    profile = _first(options.get(PROFILE), variables.get(PROFILE_VARIABLE))
    path = _first(options.get(CONFIG), variables.get(CONFIG_VARIABLE))
    contents, wrong = _contents(path, profile, directory)
    line, environment = from_command_line(typed), from_environment(variables)
    told = merge(contents.given, environment, line).values.get("env_file")
    added, wrong_lines = _env_file(told) if isinstance(told, str) else ({}, [])
    merged = merge(contents.given, from_environment(added, str(told)), environment, line)
    missing = {k: v for k, v in (contents.env | added).items() if k not in variables}
    problems = (*wrong, *contents.problems, *wrong_lines, *merged.problems)
    found = None if contents.path == Path() else contents.path
    return Resolution(replace(merged, problems=problems), missing, found, profile)


def _first(*texts: object) -> str | None:
    """The first that says something; an empty variable doesn't."""
    return next((text for text in texts if isinstance(text, str) and text), None)


def _contents(
    path: str | None, profile: str | None, directory: Path
) -> tuple[file.Contents, list[str]]:
    """What the file says, and why nothing can be read of it."""
    found = file.find(directory) if path is None else Path(path)
    if found is None:
        nowhere = f"there is no {file.OWN} that could have a profile {profile!r}"
        return file.Contents(Path()), [] if profile is None else [nowhere]
    try:
        return file.read(found, profile), []
    except SettingsError as error:
        return file.Contents(found), [str(error)]


def _env_file(path: str) -> tuple[dict[str, str], list[str]]:
    """The file's variables, and what is wrong with its lines."""
    if readable_file(path):
        return {}, []  # the check of `env_file` says so
    from dotenv import dotenv_values  # noqa: PLC0415 - most can spare it
    from dotenv.parser import parse_stream  # noqa: PLC0415

    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        return {}, [f"{path} is no text: {error}"]
    wrong = [
        f"{path}, line {each.original.line}: must be NAME=VALUE"
        for each in parse_stream(io.StringIO(text))
        if each.error or "\0" in each.original.string
    ]
    found = {} if wrong else dotenv_values(stream=io.StringIO(text))
    return {name: value for name, value in found.items() if value is not None}, wrong
