"""Where the values of settings come from, and which source wins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefork.errors import SettingsError
from prefork.settings.declaration import Described
from prefork.settings.parsing import Text, value_of
from prefork.settings.schema import Settings, described, problems


@dataclass(frozen=True, slots=True)
class Given:
    """What one source says about one setting, and what the setting is called there."""

    label: str
    text: Text


Source = Mapping[str, Given]  # by name of the setting


def from_environment(variables: Mapping[str, str]) -> Source:
    """Take what PREFORK_* says. An empty variable says nothing; others are none of our business:
    an orchestrator may set PREFORK_SERVICE_HOST and the like for a service of that name."""
    return {
        each.name: Given(each.variable, variables[each.variable])
        for each in described()
        if variables.get(each.variable)
    }


def from_command_line(options: Mapping[str, Text | None]) -> Source:
    """Take what was typed; None and () were not."""
    labels = {each.name: each.label for each in described()}
    return {
        name: Given(labels[name], text)
        for name, text in options.items()
        if text is not None and text != ()
    }


def resolve(*sources: Source) -> Settings:
    """Merge the sources over the defaults, the last one wins.

    Raises SettingsError, one line that names every problem.
    """
    given = {name: value for source in sources for name, value in source.items()}
    values, wrong = _values(given)
    wrong += problems(values, {name: each.label for name, each in given.items()})
    if wrong:
        raise SettingsError("; ".join(wrong))
    return Settings(**values)


def _values(given: Source) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for each in described():
        if each.name in given:
            try:
                values[each.name] = value_of(each.type, given[each.name].text)
            except ValueError as error:
                wrong.append(f"{given[each.name].label} {error}")
        elif each.is_positional:
            wrong.append(_missing(each))
    return values, wrong


def _missing(each: Described) -> str:
    return f"{each.label} must be given, or {each.variable} set"
