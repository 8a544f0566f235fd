"""The policies, and under which of them the quick tests run a scenario that takes seconds."""

from typing import Any

import pytest

POLICIES = ("rr", "least", "hash", "shared", "reuseport")


def chiefly(*chosen: str) -> list[Any]:
    """Every policy; those that are not *chosen* are left to `make test-all`.

    Where it is the primary that accepts, or each worker, or the kernel that chooses whose queue it
    is, a scenario meets other code; `rr`, `least` and `hash` differ in whom they choose alone.
    """
    assert set(chosen) <= set(POLICIES), "who is misspelt would make every policy slow"
    return [
        each if each in chosen else pytest.param(each, marks=pytest.mark.slow) for each in POLICIES
    ]
