"""What every test of shared memory starts with: memory of this process's own."""

from collections.abc import Iterator

import pytest
from tests.memory.watchers import watchers

from prefork.memory import native, segment, source
from prefork.memory.store import Store
from prefork.wire.descriptors import close_all

needs_libatomic = pytest.mark.skipif(
    not native.is_there(), reason="no libatomic.so.1 is installed here"
)


@pytest.fixture(params=[pytest.param("libatomic", marks=needs_libatomic), "lock"])
def atomics(request: pytest.FixtureRequest) -> str:
    """By what numbers are changed."""
    return str(request.param)


@pytest.fixture(autouse=True)
def own(atomics: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Have nothing of another test's, and leave nothing to the next: a thread ends by itself."""
    store = Store(atomics)
    monkeypatch.setattr(source, "own", store)
    monkeypatch.setattr(segment, "_segments", {})
    yield store
    for each in watchers():
        each.join(20)
    close_all([each.descriptor for each in store._kept.values()])
