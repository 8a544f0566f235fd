"""What a script may say to `listen`, and where it may not."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from prefork import Request
from prefork.worker import script
from prefork.worker.script import Whereabouts
from prefork.worker.serving import Where


async def greet(_: Request) -> str:
    return "hello"


def test_what_can_be_said_of_an_address_is_what_is_known_of_one() -> None:
    assert Whereabouts.__annotations__.keys() == {each.name for each in fields(Where)}


def test_only_a_scripts_worker_can_listen() -> None:
    attempts: list[Callable[[], None]] = [script.run, partial(script.serve, greet)]
    for attempt in attempts:
        with pytest.raises(
            RuntimeError, match="only workers that a script has forked can listen, serve or run"
        ):
            attempt()
    with pytest.raises(
        RuntimeError, match="only workers that a script has forked can listen, serve or run"
    ):
        asyncio.run(listen())


async def listen() -> None:
    await script.listen(greet)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"port": "8000"}, "port must be int, not str"),
        ({"port": True}, "port must be int, not bool"),
        ({"port": None}, "port must be int, not NoneType"),
        ({"host": 0}, "host must be str, not int"),
        ({"path": b"x"}, "path must be str | pathlib.Path | None, not bytes"),
        ({"mode": "660"}, "mode must be int | None, not str"),
        ({"backlog": "10"}, "backlog must be int, not str"),
        ({"ipv6_only": 1}, "ipv6_only must be bool, not int"),
        ({"max_connections": "5"}, "max_connections must be int | None, not str"),
        ({"prt": 1}, "listen has no argument 'prt': there are host, port, path, "),
    ],
    ids=lambda value: "".join(value) if isinstance(value, dict) else "",
)
def test_what_is_of_another_type_is_said_at_once(where: dict[str, Any], said: str) -> None:
    """The primary would take it for garbage, and kill the worker."""
    with pytest.raises(TypeError, match=re.escape(said)):
        Where.of(where)


def test_a_path_may_be_one_of_pathlib() -> None:
    assert Where(path=Path("/run/x.sock"), ipv6_only=True).asked(1, 0).path == "/run/x.sock"
