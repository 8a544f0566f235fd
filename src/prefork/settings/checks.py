"""What a setting's value must fulfil; each check says what is wrong, or None."""

import fcntl
import importlib.util
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from prefork.errors import SettingsError
from prefork.log import escape
from prefork.settings import broker
from prefork.settings.address import MAX_SOCKET_PATH, TcpAddress, parse
from prefork.settings.peers import FORMS, Peers
from prefork.settings.size import bytes_of

Check = Callable[[Any], str | None]  # worded to follow the setting's name

INSTANCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
STDERR = 2
_CIPHERS = re.compile(r"[A-Za-z0-9:+!@=_.-]+")
_MODE = re.compile(r"0?[0-7]{3}")
MOST_WORKERS = 1024  # the board has lines for three processes to each
MOST_ADDRESSES = 64  # a spawn carries a descriptor for each; a message takes 253
WIDEST = 100  # characters of a value in a message
LEAST_MEMORY = 1 << 20  # bytes; no Python is as small
LONGEST = 10_000_000  # seconds, 115 days; epoll refuses timeouts over 2**31 ms


def number(value: float) -> str:
    """Spell it as briefly as it can be read back."""
    return repr(value).removesuffix(".0")


def shown(value: object) -> str:
    """Give a value as a message shows it: on one line, not long, never invisible."""
    text = escape(number(value) if isinstance(value, float) else str(value))
    text = text if len(text) <= WIDEST else text[:WIDEST] + "…"
    return text if text and text.strip() == text else repr(text)


def got(wrong: str, value: object) -> str:
    return f"{wrong} (got {shown(value)})"


@dataclass(frozen=True, slots=True)
class Bounded:
    """A check of numbers whose bounds others can see: the schema for editors has them too."""

    check: Check
    low: float
    high: float | None = None
    is_open: bool = False  # *low* itself is too low
    also: tuple[float, ...] = ()  # beside those in between

    def __call__(self, value: Any) -> str | None:
        return self.check(value)


def anything(_value: object) -> None:
    """Accept every value."""


def at_least(bound: int) -> Check:
    """Accept numbers from *bound* on."""
    wrong = f"must be at least {bound}"
    return Bounded(lambda value: None if value >= bound else got(wrong, value), bound)


def between(low: int, high: int, *, other: str | None = None) -> Check:
    """Accept numbers from *low* to *high*, and *other*: a word, or None."""
    hint = f", or {other}" if other else ""

    def check(value: int | str | None) -> str | None:
        if value == other or (isinstance(value, int) and low <= value <= high):
            return None
        return got(f"must be from {low} to {high}{hint}", value)

    return Bounded(check, low, high)


def seconds(*, above: float | None = None) -> Check:
    """Accept durations from 0 on, or only those above *above*."""

    def check(value: float) -> str | None:
        if above is not None and not value > above:
            return got(f"must be more than {above:g} seconds", value)
        if not 0 <= value <= LONGEST:
            return got(f"must be from 0 to {LONGEST} seconds", value)
        return None

    return Bounded(check, above or 0, LONGEST, is_open=above is not None)


def patience(*, above: float) -> Check:
    """Accept durations above *above*, and 0 for ever."""

    def check(value: float) -> str | None:
        if value == 0 or above < value <= LONGEST:
            return None
        return got(f"must be 0, or more than {above:g} seconds and at most {LONGEST}", value)

    return Bounded(check, above, LONGEST, is_open=True, also=(0,))


def one_of(*choices: str) -> Check:
    words = " or ".join([", ".join(choices[:-1]), choices[-1]])
    return lambda value: None if value in choices else got(f"must be {words}", value)


def addresses(values: tuple[str, ...]) -> str | None:
    """Accept different addresses, not too many for a spawn; port 0 is another each time."""
    if not 1 <= len(values) <= MOST_ADDRESSES:
        return f"must be given 1 to {MOST_ADDRESSES} times (got {len(values)})"
    for text in values:
        try:
            address = parse(text)
        except SettingsError as error:
            return str(error)
        is_any_port = isinstance(address, TcpAddress) and address.port == 0
        if values.count(text) > 1 and not is_any_port:
            return f"must not be given twice with the same value ({shown(text)})"
    return None


def peers(values: tuple[str, ...]) -> str | None:
    """Accept addresses, networks, and the words that stand for some."""
    try:
        Peers(values)
    except ValueError as error:
        return f"must be {FORMS} ({shown(error)})"
    return None


def application(value: str) -> str | None:
    """Accept `module:attribute` and `module:factory()`, dots allowed in both."""
    module, _, attribute = value.partition(":")
    names = [*module.split("."), *attribute.removesuffix("()").split(".")]
    if all(name.isidentifier() for name in names):
        return None
    return got("must be MODULE:ATTRIBUTE, as in app:handler", value)


def function(value: str | None) -> str | None:
    """Accept `module:function`, dots allowed in both."""
    if value is None:
        return None
    module, colon, attribute = value.partition(":")
    names = [*module.split("."), *attribute.split(".")]
    if colon and all(name.isidentifier() for name in names):
        return None
    return got("must be MODULE:FUNCTION, as in app:connect", value)


def file_mode(value: str | None) -> str | None:
    """Accept what chmod takes for a file without its special bits."""
    if value is None or _MODE.fullmatch(value):
        return None
    return got("must be three octal digits, as in 660", value)


def memory(value: str | None) -> str | None:
    """Accept an amount of memory that a worker can have."""
    with suppress(ValueError):
        if value is None or bytes_of(value) >= LEAST_MEMORY:
            return None
    return got("must be at least 1MB, written in bytes or as in 500MB or 1.5GB", value)


def root_path(value: str) -> str | None:
    """Accept a path that begins with a slash and does not end with one."""
    is_sound = value.isascii() and value.isprintable() and not set(value) & set(' ?#\\"')
    if value == "" or (is_sound and value.startswith("/") and not value.endswith("/")):
        return None
    return got("must begin with a slash and not end with one, as in /shop", value)


def watchable(value: bool) -> str | None:
    """Accept False, and True where the library that watches files is installed."""
    if not value or importlib.util.find_spec("watchfiles") is not None:
        return None
    return "needs watchfiles: pip install 'prefork[reload]'"


def instance_name(value: str | None) -> str | None:
    if value is None or INSTANCE_NAME.fullmatch(value):
        return None
    return got("must be 1 to 64 letters, digits, dots, dashes or underscores", value)


def directory(value: str) -> str | None:
    return None if os.path.isdir(value) else got("must be a directory", value)


def directories(values: tuple[str, ...]) -> str | None:
    return next((wrong for each in values if (wrong := directory(each))), None)


def readable_file(value: str | None) -> str | None:
    """Accept a file that this process may read."""
    if value is None or (os.path.isfile(value) and os.access(value, os.R_OK)):
        return None
    return got("must be a file that can be read", value)


def cipher_list(value: str | None) -> str | None:
    """Accept what may be one in OpenSSL's form; which it has, only the workers know."""
    if value is None or _CIPHERS.fullmatch(value):
        return None
    return got("must be names with colons between them, as in ECDHE+AESGCM", value)


def log_path(value: str | None) -> str | None:
    """Accept a file or named pipe in a directory that is there."""
    if value is None:
        return None
    if not value or "\0" in value or os.path.isdir(value):
        return got("must be a file", value)
    folder = os.path.dirname(value) or "."
    return None if os.path.isdir(folder) else got("must be in a directory that exists", value)


def bus(value: str) -> str | None:
    """Accept what can carry the bus, with the library for it installed."""
    return broker.wrong(value)


def socket_path(value: str | None) -> str | None:
    """Accept what fits into a socket address."""
    if value is None or (0 < len(os.fsencode(value)) <= MAX_SOCKET_PATH and "\0" not in value):
        return None
    return got(f"must be a path of 1 to {MAX_SOCKET_PATH} bytes", value)


def writable_descriptor(value: int | None) -> str | None:
    """Accept a descriptor above 2 that the caller left open for writing."""
    if value is None:
        return None
    if not STDERR < value < 2**31:
        return got("must be a descriptor above 2", value)
    try:
        mode = fcntl.fcntl(value, fcntl.F_GETFL) & os.O_ACCMODE
    except OSError:
        return got("must be an open descriptor", value)
    return None if mode in (os.O_WRONLY, os.O_RDWR) else got("must be open for writing", value)
