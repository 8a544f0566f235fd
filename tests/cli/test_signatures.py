from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from prefork.cli.signatures import entry, paragraphs, prototype

T = TypeVar("T")
Bound = TypeVar("Bound", bound=Callable[..., Any])


def many(first_argument: int, second_argument: str, third_argument: "Callable[[], T]") -> None:
    pass


def decorate(function: Bound) -> Bound:
    return function


def later(work: Coroutine[Any, Any, T]) -> "Coroutine[Any, Any, T]":
    return work


def call(function: Callable[..., T], /, *args: int, timeout: float = 0, **kwargs: str) -> T:
    return function(*args, timeout=timeout, **kwargs)


async def told(**settings: int) -> list[int]:
    return [*settings.values()]


def test_a_signature_has_types_without_their_modules() -> None:
    assert prototype("f", decorate) == "f(function: Callable[..., Any]) -> Callable[..., Any]"


def test_a_signature_says_what_goes_by_place_and_what_by_name() -> None:
    assert prototype("f", call) == (
        "f(function: Callable[..., T], /, *args: int, timeout: float = 0, **kwargs: str) -> T"
    )


def test_a_coroutine_is_awaited_however_it_is_declared() -> None:
    assert prototype("f", told) == "await f(**settings: int) -> list[int]"
    assert prototype("f", later) == "await f(work: Coroutine[Any, Any, T]) -> T"


def test_a_long_signature_has_a_line_for_each_argument() -> None:
    assert prototype("a_rather_long_name_for_it", many) == (
        "a_rather_long_name_for_it(\n"
        "    first_argument: int,\n"
        "    second_argument: str,\n"
        "    third_argument: Callable[[], T],\n"
        ") -> None"
    )


def test_examples_become_blocks_and_pages_links() -> None:
    said = "See it.\n\n>>> run()\n>>> stop()\n\nMore: docs/howto/hooks.md."
    assert paragraphs(said) == (
        "See it.\n\n```python\nrun()\nstop()\n```\n\nMore: [hooks](../howto/hooks.md).\n"
    )


def test_what_has_no_docstring_can_not_be_on_a_page() -> None:
    with pytest.raises(ValueError, match="has no docstring"):
        entry("f", many)
