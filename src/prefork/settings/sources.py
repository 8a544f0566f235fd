"""What each source says about the settings, and which source wins."""

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import Any

from prefork.errors import SettingsError
from prefork.settings.declaration import Described
from prefork.settings.parsing import Text, value_of
from prefork.settings.pooling import idle, meant
from prefork.settings.schema import Settings, described, problems

COMMAND_LINE = "command line"
ENVIRONMENT = "environment"
DEFAULT = "default"
RELOAD_DEFAULT = "default with --reload"


@dataclass(frozen=True, slots=True)
class Given:
    """What one source says about one setting, what the setting is called there, and where that is.

    The *label* is what a message begins with; the *origin* is told by `check --explain`.
    """

    label: str
    text: Text
    origin: str


Source = Mapping[str, Given]  # by name of the setting


def from_environment(variables: Mapping[str, str], origin: str = ENVIRONMENT) -> Source:
    """Take what PREFORK_* says. An empty variable says nothing; others are none of our business:
    an orchestrator may set PREFORK_SERVICE_HOST and the like for a service of that name."""
    return {
        each.name: Given(_label(each.variable, origin), variables[each.variable], origin)
        for each in described()
        if variables.get(each.variable)
    }


def _label(variable: str, origin: str) -> str:
    return variable if origin == ENVIRONMENT else f"{variable} in {origin}"


def from_command_line(options: Mapping[str, Text | bool | None]) -> Source:
    """Take what was typed; None and () were not."""
    labels = {each.name: each.label for each in described()}
    return {
        name: Given(labels[name], _as_text(typed), COMMAND_LINE)
        for name, typed in options.items()
        if typed is not None and typed != ()
    }


def from_call(arguments: Mapping[str, object]) -> Source:
    """Take what Python code says; None says nothing. Raises SettingsError for an unknown name."""
    known = [each.name for each in described()]
    if unknown := [name for name in arguments if name not in known]:
        raise SettingsError("; ".join(_unknown(name, known) for name in unknown))
    return {
        name: Given(name, _as_typed(value), "call")
        for name, value in arguments.items()
        if value is not None
    }


def _unknown(name: str, known: list[str]) -> str:
    if name in ("host", "port"):  # as uvicorn's run() has them, and close to nothing here
        return f'no such setting: {name} (write bind="HOST:PORT")'
    close = difflib.get_close_matches(meant(name) or name, known, n=1)
    return f"no such setting: {name}" + (f" (did you mean {close[0]!r}?)" if close else "")


def _as_typed(value: object) -> Text:
    """As it would be typed: from there on one set of checks is enough."""
    if isinstance(value, list | tuple):
        return tuple(map(str, value))
    return _as_text(value if isinstance(value, bool) else str(value))


def _as_text(typed: Text | bool) -> Text:
    return ("true" if typed else "false") if isinstance(typed, bool) else typed


@dataclass(frozen=True, slots=True)
class Merged:
    """What all sources say together: values, where each comes from, and all that is wrong."""

    values: Mapping[str, Any]  # by name of the setting; what is wrong, or missing, is not in it
    origins: Mapping[str, str]  # likewise
    problems: tuple[str, ...]

    def settings(self) -> Settings:
        """Raise SettingsError, one line that names every problem, unless there is none."""
        if self.problems:
            raise SettingsError("; ".join(self.problems))
        return Settings(**self.values)


def merge(*sources: Source, is_partial: bool = False) -> Merged:
    """Merge the sources over the defaults, the last one wins.

    *is_partial*: there is a source that can't be read, and may say what seems to be missing.
    """
    given = {name: one for source in sources for name, one in source.items()}
    values, wrong = _values(given, is_partial)
    labels = {name: one.label for name, one in given.items()}
    wrong += problems(values, labels)
    wrong += [] if is_partial else idle(labels, values)
    origins = {name: one.origin for name, one in given.items() if name in values}
    for each in described():
        if each.name not in given and each.default is not MISSING:
            values[each.name], origins[each.name] = _default(each, bool(values.get("reload")))
    return Merged(values, origins, tuple(wrong))


def _default(each: Described, is_reloading: bool) -> tuple[Any, str]:
    if is_reloading and each.doc.with_reload is not None:
        return each.doc.with_reload, RELOAD_DEFAULT
    return each.default, DEFAULT


def _values(given: Source, is_partial: bool) -> tuple[dict[str, Any], list[str]]:
    """Read what was given; what can't be read, or must be given and isn't, is wrong."""
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for each in described():
        if each.name in given:
            try:
                values[each.name] = value_of(each.type, given[each.name].text)
            except ValueError as error:
                wrong.append(f"{given[each.name].label} {error}")
        elif each.is_positional and not is_partial:
            wrong.append(_missing(each))
    return values, wrong


def _missing(each: Described) -> str:
    return f"{each.label} must be given, or {each.variable} set, or {each.name} in prefork.toml"
