"""How text becomes the value of a setting, told by the setting's type alone."""

import math
import re
from collections.abc import Callable
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from prefork.settings.checks import got

Text = str | tuple[str, ...]  # as typed; several where an option was repeated

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_TRUTHS = {"true": True, "yes": True, "on": True, "1": True}
_TRUTHS |= {"false": False, "no": False, "off": False, "0": False}


def choices(hint: Any) -> tuple[str, ...]:
    """The words that a setting of this type accepts."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(word for member in _members(hint) for word in choices(member))


def kinds(hint: Any) -> tuple[type, ...]:
    """The plain types that a setting of this type accepts, without None."""
    if is_several(hint):
        return (str,)
    return tuple(m for m in _members(hint) or (hint,) if isinstance(m, type) and m is not NoneType)


def is_several(hint: Any) -> bool:
    """Whether the setting may be given more than once."""
    return get_origin(hint) is tuple


def metavar(hint: Any, unit: str) -> str:
    """What stands for the value in the help."""
    placeholder = {int: "N", float: unit.upper() or "NUMBER", str: "TEXT", bool: "true|false"}
    return "|".join([*(placeholder[kind] for kind in kinds(hint)), *choices(hint)])


def value_of(hint: Any, text: Text) -> Any:
    """Read *text*; raises ValueError, worded to follow the setting's name."""
    if is_several(hint):
        return tuple(re.split(r"[\s,]+", text.strip())) if isinstance(text, str) else text
    word = text if isinstance(text, str) else text[-1]
    if word in choices(hint):
        return word
    found = (READERS[kind](word, _alternative(hint)) for kind in kinds(hint) if kind in READERS)
    return next(found, word)


def _members(hint: Any) -> tuple[Any, ...]:
    return () if isinstance(hint, type) or get_origin(hint) in (Literal, tuple) else get_args(hint)


def _alternative(hint: Any) -> str:
    return "".join(f", or {word}" for word in choices(hint))


def _truth(word: str, alternative: str) -> bool:
    try:
        return _TRUTHS[word.lower()]
    except KeyError:
        raise ValueError(got(f"must be true or false{alternative}", word)) from None


def _whole(word: str, alternative: str) -> int:
    if not _WHOLE.fullmatch(word):
        raise ValueError(got(f"must be a whole number{alternative}", word))
    return int(word)


def _number(word: str, alternative: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(got(f"must be a number{alternative}", word))
    return number


READERS: dict[type, Callable[[str, str], object]] = {bool: _truth, int: _whole, float: _number}
