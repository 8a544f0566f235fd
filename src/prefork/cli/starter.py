"""The prefork.toml that `init` writes: every setting with what it means, most of them as comments.

A line `#name = value` is a setting that is not set; prose has a space after its #.
"""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING

from prefork.settings.declaration import Described, spelled
from prefork.settings.schema import described

WIDTH = 100
SCHEMA = "prefork.schema.json"

_HEAD = f"""\
#:schema ./{SCHEMA}
# Editors with taplo (Even Better TOML) check and complete this file by that schema. Write it with
#     prefork init --schema > {SCHEMA}
# or take the line above away.

# The settings of prefork. In a line like #name = value take the # away to set it; the value is the
# default, or an example where the default is nothing that can be written. PREFORK_* in the
# environment and options of the command line win over this file. Paths count from its folder.
# `prefork check --explain` shows every value, and where it comes from.
"""

_TAIL = """\
# ---- Tables: settings that belong to no profile stand above this line ----

# Variables for the application, where the environment doesn't have them already.
[env]
#DATABASE_URL = "postgresql://localhost/shop"

# The settings of the pool may stand in a table instead: max is pool, min is pool_min, queue is
# pool_queue, and so on.
#     [pool]
#     max = 3

# Merged over the rest by `prefork serve --profile production`, or PREFORK_PROFILE=production.
# It may hold every setting, and tables of its own: [profile.production.env].
[profile.production]
#workers = "max"
#bind = ["0.0.0.0:8000"]
#log_format = "json"
"""


def starter(chosen: Mapping[str, str]) -> str:
    """The file's text; *chosen*: the settings that are set, by name."""
    blocks = [_HEAD]
    section = ""
    for each in described():
        if each.doc.section != section:
            section = each.doc.section
            blocks.append(f"# ---- {section} ----\n")
        blocks.append("\n".join(_setting(each, chosen.get(each.name))) + "\n")
    return "\n".join([*blocks, _TAIL])


def _setting(each: Described, value: str | None) -> Iterator[str]:
    yield from _comment(each.doc.help)
    default = "required" if each.is_positional else f"default: {each.default_text}"
    yield from _comment(f"{each.form} · {each.variable} · {default}")
    if value is None:
        yield f"#{each.name} = {toml(_written(each))}"
    else:
        yield f"{each.name} = {toml(value)}"


def _written(each: Described) -> object:
    return each.doc.example if each.default in (None, MISSING) else each.default


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def toml(value: object) -> str:
    """A setting's value in TOML, whose strings are those of JSON."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return f"[{', '.join(toml(each) for each in value)}]"
    return spelled(value)
