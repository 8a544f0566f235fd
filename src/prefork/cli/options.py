"""The settings schema as the parameters of a command."""

from typing import Any

import click

from prefork.settings.declaration import Described
from prefork.settings.parsing import is_several
from prefork.settings.schema import described

REST = "Other options"


class SettingsCommand(click.Command):
    """A command with a parameter per setting; its help groups them by section.

    Values stay text here: the schema reads and checks them, so that all that are wrong are named
    at once, wherever they came from.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [_parameter(each) for each in described()]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        known = {each.name: each for each in described()}
        sections: dict[str, list[tuple[str, str]]] = {}  # by title
        for parameter in self.get_params(ctx):
            each = known.get(parameter.name or "")
            record = _record(each) if each else parameter.get_help_record(ctx)
            if record:
                sections.setdefault(each.doc.section if each else REST, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _parameter(each: Described) -> click.Parameter:
    if each.is_positional:  # the environment may hold it, so click must not demand it
        return click.Argument([each.name], required=False, metavar=each.label)
    return click.Option([each.label], type=click.STRING, multiple=is_several(each.type))


def _record(each: Described) -> tuple[str, str]:
    """The setting's line in the help: how to type it, what it does."""
    form = each.label if each.is_positional else f"{each.label} {each.metavar}"
    default = "" if each.is_positional else f"default: {each.default_text}; "
    return form, f"{each.doc.help} [{default}{each.variable}]"
