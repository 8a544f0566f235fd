"""The block that a start prints."""

import os
from dataclasses import replace
from typing import Any

from prefork.primary.greeting import Greeting, Style
from prefork.settings.schema import Settings
from prefork.wire.board import Board
from prefork.wire.estate import Entries, Estate


def greeting(**settings: Any) -> Greeting:
    given: dict[str, Any] = {"app": "shop:app", "workers": 4} | settings
    chosen = Settings(**given)
    entries = Entries(*["nowhere"] * 5)
    estate = Estate(chosen, 4, (2,), Board(1), os.getpid(), entries, "shop-80", ("127.0.0.1:80",))
    return Greeting(estate, "asgi", "yes: imported once")


def test_it_says_what_is_served_where_by_whom_and_how() -> None:
    title, *rows = greeting().lines(Style.PLAIN)
    assert title.endswith(" serves shop:app")
    assert [row.split(None, 1) for row in rows] == [
        ["address", "http://127.0.0.1:80"],
        ["workers", "4; policy rr"],
        ["interface", "asgi (found)"],
        ["preload", "yes: imported once"],
        ["control", "prefork status shop-80 (or reload, stop); Ctrl-C stops"],
    ]


def test_it_says_why_where_something_was_chosen() -> None:
    text = "\n".join(greeting(workers="max", interface="asgi", reload=True).lines(Style.PLAIN))
    assert "4 (max: every CPU that this process may use); policy rr" in text
    assert "asgi (--interface)" in text
    assert "when a file changes" in text


def test_a_pool_has_its_line() -> None:
    plain = greeting(pool="max")
    text = "\n".join(replace(plain, estate=replace(plain.estate, pool=6)).lines(Style.PLAIN))
    assert "pool       6 (max: every CPU that this process may use)" in text
    assert "pool" not in "\n".join(plain.lines(Style.PLAIN))
    scripted = replace(plain, estate=replace(plain.estate, pool=6), is_scripted=True)
    assert "pool" not in "\n".join(scripted.lines(Style.PLAIN))


def test_each_address_has_its_line_and_a_path_is_no_link() -> None:
    plain = greeting()
    estate = replace(plain.estate, bind=("[::1]:80", "unix:/run/shop.sock"))
    text = "\n".join(replace(plain, estate=estate).lines(Style.PLAIN))
    assert "http://[::1]:80" in text
    assert "unix:/run/shop.sock" in text


def test_colours_are_asked_for_and_nothing_else_moves_the_cursor() -> None:
    coloured = greeting().lines(Style.COLOUR)
    assert all("\x1b[" in line for line in coloured)
    hostile = replace(greeting(), preload="no: thread '\x1b[2J\n'")
    assert all(line.isprintable() for line in hostile.lines(Style.PLAIN))
