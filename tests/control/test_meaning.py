from typing import Annotated

import msgspec

from prefork.control.meaning import meanings, means


class Base(msgspec.Struct):
    first: Annotated[int, means("one")]
    plain: int


class Kind(Base):
    first: Annotated[int, msgspec.Meta(ge=0), means("uno")]
    several: Annotated[list[Base] | None, means("or null")] = None


def test_a_field_means_what_its_annotation_says() -> None:
    assert meanings(Base) == {"first": "one", "plain": ""}


def test_a_class_has_the_fields_of_its_base_and_its_own() -> None:
    assert meanings(Kind) == {"first": "uno", "plain": "", "several": "or null"}


def test_a_meaning_changes_nothing_about_what_is_read() -> None:
    assert msgspec.json.decode(b'{"first": 1, "plain": 2}', type=Kind) == Kind(1, 2)
