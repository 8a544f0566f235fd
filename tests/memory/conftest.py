"""What every test of shared memory starts with: memory of this process's own."""

import pytest

from prefork.memory import native, segment, source
from prefork.memory.store import Store

needs_libatomic = pytest.mark.skipif(
    not native.is_there(), reason="no libatomic.so.1 is installed here"
)


@pytest.fixture(params=[pytest.param("libatomic", marks=needs_libatomic), "lock"])
def atomics(request: pytest.FixtureRequest) -> str:
    """By what numbers are changed."""
    return str(request.param)


@pytest.fixture(autouse=True)
def own(atomics: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Have nothing of another test's."""
    store = Store(atomics)
    monkeypatch.setattr(source, "own", store)
    monkeypatch.setattr(segment, "_segments", {})
    return store
