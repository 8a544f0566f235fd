"""What a script may say to `listen`, and where it may not."""

import asyncio
from collections.abc import Callable
from dataclasses import fields
from functools import partial

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
        with pytest.raises(RuntimeError, match="only workers that a script has forked can listen"):
            attempt()
    with pytest.raises(RuntimeError, match="only workers that a script has forked can listen"):
        asyncio.run(listen())


async def listen() -> None:
    await script.listen(greet)
