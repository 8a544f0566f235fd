"""prefork.toml as a JSON Schema, by which editors check and complete it.

Draft 7: taplo, which is behind Even Better TOML, knows no later one for sure. The schema is
stricter than prefork in one thing: a number is written as a number, not as a string of digits.
"""

from collections.abc import Callable
from dataclasses import MISSING
from typing import Any

from prefork.settings import checks, engine
from prefork.settings.declaration import Described
from prefork.settings.file import ENV, OURS, PROFILE
from prefork.settings.parsing import choices, is_several, kinds
from prefork.settings.pooling import KEYS, POOL
from prefork.settings.schema import described

Part = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
_NAME = r"[^\s.:()-]+"  # a superset of Python's identifiers, which no plain pattern tells
_NAMES = rf"{_NAME}(\.{_NAME})*"
_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}

# By check: what it refuses that a schema can tell; the rest is for `prefork check`.
_TOLD: dict[Callable[[Any], str | None], Part] = {
    checks.application: {"pattern": rf"^{_NAMES}:{_NAMES}(\(\))?$"},
    checks.function: {"pattern": rf"^{_NAMES}:{_NAMES}$"},
    checks.root_path: {"pattern": r'^(/[^\s?#\\"]*[^\s?#\\"/])?$'},
    checks.instance_name: {"pattern": f"^{checks.INSTANCE_NAME.pattern}$"},
    checks.addresses: {"pattern": r"^(unix:.+|.+:[0-9]{1,5})$"},
    checks.writable_descriptor: {"minimum": checks.STDERR + 1},
    checks.socket_path: {"minLength": 1},
    checks.log_path: {"minLength": 1},
    engine.wrong: {
        "pattern": rf"^({engine.PROCESSES}|{engine.THREADS}|{engine.DASK}://.+:[0-9]{{1,5}})$"
    },
}


def editor_schema() -> Part:
    """Give the schema as JSON values."""
    settings = {each.name: _setting(each) for each in described()}
    settings[POOL] = _or_table(settings[POOL])
    beside = [*settings, ENV]  # a profile has what the file has, but no profiles
    profile = _table({name: {"$ref": f"#/properties/{name}"} for name in beside})
    return {
        "$schema": DRAFT,
        "title": "prefork.toml",
        "description": "Settings of prefork, a pre-fork HTTP server for Python.",
        **_table(settings | {ENV: _env(), PROFILE: _profiles(profile)}),
    }


def _table(properties: Part) -> Part:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _or_table(size: Part) -> Part:
    """The pool's size, or all its settings in a table."""
    forms = size.pop("anyOf")
    keys = {
        key: {"anyOf": forms} if name == POOL else {"$ref": f"#/properties/{name}"}
        for key, name in KEYS.items()
    }
    return size | {"anyOf": [*forms, _table(keys)]}


def _env() -> Part:
    return {
        "description": "Variables for the application, where the environment lacks them.",
        "type": "object",
        "propertyNames": {"pattern": f"^(?!{OURS})[^=]+$"},
        "additionalProperties": {"type": ["string", "boolean", "number"]},
    }


def _profiles(profile: Part) -> Part:
    return {
        "description": "By name: settings that `--profile NAME` merges over the rest.",
        "type": "object",
        "additionalProperties": profile,
    }


def _setting(each: Described) -> Part:
    default = "" if each.default is MISSING else f" [default: {each.default_text}]"
    told: Part = {"description": f"{each.doc.help}{default}"}
    if each.default is not MISSING and each.default is not None:
        told["default"] = list(each.default) if is_several(each.type) else each.default
    return told | (_several(each) if is_several(each.type) else _one(each))


def _one(each: Described) -> Part:
    """Words, a plain type within its bounds, or either."""
    also = each.doc.check.also if isinstance(each.doc.check, checks.Bounded) else ()
    words = {"enum": [*choices(each.type), *also]}
    plain = [{"type": _TYPES[kind], **_bounds(each)} for kind in kinds(each.type)]
    if not plain:
        return words
    return {"anyOf": [*plain, words]} if words["enum"] else plain[0]


def _several(each: Described) -> Part:
    """A list of texts; one alone may stand without its brackets."""
    item = {"type": "string", **_bounds(each)}
    items: Part = {"type": "array", "items": item}
    if each.doc.check is checks.addresses:
        items |= {"minItems": 1, "maxItems": checks.MOST_ADDRESSES}
    return {"anyOf": [item, items]}


def _bounds(each: Described) -> Part:
    check = each.doc.check
    if not isinstance(check, checks.Bounded):
        return _TOLD.get(check, {})
    low = {"exclusiveMinimum" if check.is_open else "minimum": check.low}
    return low if check.high is None else low | {"maximum": check.high}
