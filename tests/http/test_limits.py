from dataclasses import fields

import pytest
from tests.http.requests import LIMITS

from prefork.http.limits import Limits


def test_every_limit_must_be_given() -> None:
    with pytest.raises(TypeError):
        Limits()  # type: ignore[call-arg]


def test_limits_do_not_change() -> None:
    for limit in fields(LIMITS):
        with pytest.raises(AttributeError):
            setattr(LIMITS, limit.name, 1)
