"""What a field of an answer means, said where the field is declared."""

import typing
from collections.abc import Iterator

import msgspec


def means(text: str) -> msgspec.Meta:
    """Annotate a field; docs/reference/control-socket.md is made from these."""
    return msgspec.Meta(description=text)


def meanings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """By field, those of base classes first; a field without a meaning has an empty one."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {name: "; ".join(_said(hint)) for name, hint in hints.items()}


def _said(hint: object) -> Iterator[str]:
    for each in getattr(hint, "__metadata__", ()):
        if isinstance(each, msgspec.Meta) and each.description:
            yield each.description
