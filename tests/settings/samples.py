"""Valid values for every setting, made from its type, its words and its check."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefork.settings import checks, engine
from prefork.settings.declaration import Described
from prefork.settings.parsing import choices, is_several, kinds

Made = list[str]  # by a check that needs something of the file system, or has a form


class NoSampleError(LookupError):
    """A setting has a check that no sample is known for: write it down in `of_checks`."""


def of_checks(place: Path) -> dict[Callable[[Any], str | None], Made]:
    """By check, three words that pass it; *place* is a directory to make files in."""
    return {
        checks.application: ["one:app", "two.web:app.x", "three:make()"],
        checks.function: ["one:f", "two.sub:f", "three:C.f"],
        checks.instance_name: ["one", "two-2", "three.x"],
        checks.root_path: ["/one", "/two/2", "/three"],
        checks.addresses: ["127.0.0.1:8001", "[::1]:8002", "unix:/run/three.sock"],
        checks.peers: ["10.0.0.1", "192.0.2.0/24", "unix"],
        checks.memory: ["200MB", "1.5GB", "1048576"],
        checks.file_mode: ["600", "660", "666"],
        checks.directory: directories(place),
        checks.directories: directories(place),
        checks.readable_file: files(place),
        checks.bus: ["local", "redis://127.0.0.1:6379/1", "nats://user:secret@[::1]:4222"],
        checks.cipher_list: ["ECDHE+AESGCM", "HIGH:!aNULL", "AES256-SHA"],
        checks.log_path: [str(place / name) for name in ("one.log", "two.log", "three.log")],
        engine.wrong: ["processes", "threads", "dask://[::1]:8786"],
        checks.socket_path: ["/run/one.sock", "/run/two.sock", "/run/three.sock"],
    }


def directories(place: Path) -> Made:
    made = [place / name for name in ("one.d", "two.d", "three.d")]
    for each in made:
        each.mkdir(exist_ok=True)
    return [str(each) for each in made]


def files(place: Path) -> Made:
    made = [place / name for name in ("one.txt", "two.txt", "three.txt")]
    for each in made:
        each.touch()
    return [str(each) for each in made]


def samples(each: Described, place: Path, descriptors: list[int]) -> list[Any]:
    """Two or three different values that *each* takes. Raises NoSampleError."""
    if each.doc.check is checks.writable_descriptor:
        return list(descriptors)
    if kinds(each.type) == (bool,):
        return [True, False]
    if isinstance(each.doc.check, checks.Bounded):
        return [*_numbers(each, each.doc.check), *choices(each.type)][:3]
    if choices(each.type):
        return list(choices(each.type)[:3])
    several = is_several(each.type)
    words = _words(each, place, {checks.anything: ["*.one", "*.two", "three*"]} if several else {})
    return [(words[0],), (words[1], words[2]), (words[2],)] if several else list(words)


def _words(each: Described, place: Path, also: dict[Callable[[Any], str | None], Made]) -> Made:
    try:
        return (of_checks(place) | also)[each.doc.check]
    except KeyError:
        raise NoSampleError(each.name) from None


def _numbers(each: Described, check: checks.Bounded) -> list[float]:
    """Two where there is also a word; a long one, where digits could be lost."""
    low, high = check.low, check.high or math.inf
    if kinds(each.type) == (float,):
        return [low + 1.5, low + 1234567.25, low + 0.001]
    return [low + 1, low + 3] if choices(each.type) else [low + 1, low + 3, min(low + 500, high)]
