"""What workers of `talker_app` are told to do, by the primary of `talkative`, and what it hears."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.asking import ask
from tests.support.journal import parse
from tests.support.program import Program

APP = "tests.support.talker_app:app"
ENTRY = ("-m", "tests.support.talkative")
Entry = dict[str, Any]


def told(program: Program, path: str) -> Any:
    """Ask any worker for something; return its answer."""
    reply = ask(program.port, path)
    assert reply.status == 200, reply
    return json.loads(reply.body)


def order(program: Program, slot: int, do: str, times: int = 1, **more: int) -> None:
    """Have the primary tell the worker of *slot* to do something, so often."""
    options = "".join(f"&{name}={value}" for name, value in more.items())
    told(program, f"/send?relay={slot}&times={times}&do={do}{options}")


def heard(program: Program, key: str, count: int = 1) -> list[Entry]:
    """Wait until the primary has heard so many messages with *key*; return their log entries."""

    def found(lines: list[str]) -> list[Entry] | None:
        wanted = [entry for entry in map(parse, lines) if entry and key in message(entry)]
        return wanted if len(wanted) >= count else None

    return program.journal.wait_until(found, f"{count} messages with {key!r}")


def message(entry: Entry) -> dict[str, Any]:
    """The message in an entry of the log; empty where it tells of none."""
    result: dict[str, Any] = json.loads(entry["value"]) if entry["event"] == "heard" else {}
    return result


def result(program: Program, key: str, begin: Callable[[], None]) -> Any:
    """Begin something; return what the primary hears of *key* at its end."""
    before = sum(key in message(entry) for entry in program.journal.entries("heard"))
    begin()
    return message(heard(program, key, before + 1)[before])[key]


@dataclass(frozen=True, slots=True)
class Trips:
    """Of many requests to the primary: seconds until the answer was there."""

    p50: float
    p99: float


def trips(program: Program, slot: int, count: int = 300, size: int = 0, fds: int = 0) -> Trips:
    """Have a worker ask the primary so often.

    *size*: bytes of the request's payload, beside which so many descriptors travel.
    """

    def begin() -> None:
        order(program, slot, "measure", count=count, size=size, fds=fds)

    told = result(program, "trips", begin)
    return Trips(told["50"], told["99"])
