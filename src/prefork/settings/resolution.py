"""All sources together: the file, the environment with what is added to it, the command line."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prefork.errors import SettingsError
from prefork.settings import activation, env_file, environment, file
from prefork.settings.checks import readable_file, shown
from prefork.settings.parsing import Text
from prefork.settings.schema import Settings
from prefork.settings.sources import Merged, Source, from_command_line, from_environment, merge

CONFIG, PROFILE = "config", "profile"  # say where settings come from, so they are none themselves
CONFIG_VARIABLE, PROFILE_VARIABLE = "PREFORK_CONFIG", "PREFORK_PROFILE"
TOO_LATE = {  # in an env file: it is read when these have had their say
    CONFIG_VARIABLE: "--config",
    PROFILE_VARIABLE: "--profile",
    "PREFORK_ENV_FILE": "--env-file",
}


@dataclass(frozen=True, slots=True)
class Resolution:
    """What `serve` was asked for, and what the process's environment lacks of it."""

    merged: Merged
    variables: Mapping[str, str]  # to be added to the environment
    places: Mapping[str, str]  # by variable: the file that has it
    file: Path | None
    profile: str | None

    def settings(self) -> Settings:
        """Raise SettingsError that names every problem, unless there is none."""
        return self.merged.settings()

    def take_effect(self) -> None:
        """Add to the environment what it lacks, and remove what was for this process alone."""
        environment.add(self.variables)
        environment.forget(activation.VARIABLES)


def resolve(
    options: Mapping[str, Text | bool | None],
    variables: Mapping[str, str],
    directory: Path = Path(),
    read: Callable[[Mapping[str, Any]], Source] = from_command_line,
) -> Resolution:
    """Read every source. *options*: as typed, `config` and `profile` among them; *read* makes a
    source of the others.

    Each wins over those before it: defaults, file, environment, command line. What `env_file` and
    the file's `[env]` name counts as environment where that doesn't have it already. Sockets that
    systemd passed are a default of `bind`.
    """
    typed = {name: text for name, text in options.items() if name not in (CONFIG, PROFILE)}
    profile = _first(options.get(PROFILE), variables.get(PROFILE_VARIABLE))
    path = _first(options.get(CONFIG), variables.get(CONFIG_VARIABLE))
    contents, wrong = _contents(path, profile, directory)
    found = None if contents.path == Path() else contents.path
    line, said = read(typed), from_environment(variables)
    told = merge(contents.given, said, line).values.get("env_file")
    added = _env_file(told, variables) if isinstance(told, str) else env_file.Lines()
    beside = from_environment(added.variables, shown(told))
    is_partial = found is not None and bool(wrong)
    sockets, unfit = _activated(variables)
    merged = merge(sockets, contents.given, beside, said, line, is_partial=is_partial)
    if left := activation.unserved(sockets, merged.values.get("bind")):
        unfit = [left]
    every = contents.env | added.variables
    missing = {name: value for name, value in every.items() if name not in variables}
    places = dict.fromkeys(contents.env, shown(contents.path))
    places |= dict.fromkeys(added.variables, shown(told))
    problems = (*wrong, *unfit, *contents.problems, *added.problems, *merged.problems)
    return Resolution(replace(merged, problems=problems), missing, places, found, profile)


def _first(*texts: object) -> str | None:
    """The first that says something; an empty variable doesn't."""
    return next((text for text in texts if isinstance(text, str) and text), None)


def _activated(variables: Mapping[str, str]) -> tuple[Source, list[str]]:
    """The sockets that systemd passed, and why they can't be told."""
    try:
        return activation.passed(variables, os.getpid()), []
    except SettingsError as error:
        return {}, [str(error)]


def _contents(
    path: str | None, profile: str | None, directory: Path
) -> tuple[file.Contents, list[str]]:
    """What the file says, and why nothing can be read of it."""
    found = file.find(directory) if path is None else Path(path)
    if found is None:
        nowhere = f"there is no {file.OWN} that could have the profile {shown(profile)}"
        return file.Contents(Path()), [] if profile is None else [nowhere]
    try:
        return file.read(found, profile), []
    except SettingsError as error:
        return file.Contents(found), [str(error)]


def _env_file(path: str, variables: Mapping[str, str]) -> env_file.Lines:
    """What it adds; what is said there too late is wrong, unless the environment says it too."""
    if readable_file(path):
        return env_file.Lines()  # the check of `env_file` says so
    lines = env_file.read(path, variables)
    lines.problems += [
        f"{name} in {shown(path)} comes too late: write {option}, or set it in the environment"
        for name, option in TOO_LATE.items()
        if name in lines.variables and name not in variables
    ]
    lines.variables = {k: v for k, v in lines.variables.items() if k not in TOO_LATE}
    return lines
