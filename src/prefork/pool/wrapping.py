"""Bytes and memoryviews on their way: pickle copies those needlessly, and refuses these."""

import pickle
from typing import Any


class Bytes:
    """Large bytes that are copied once into the parcel, and once out: a task is to get bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __reduce_ex__(self, _protocol: Any) -> tuple[type[bytes], tuple[pickle.PickleBuffer]]:
        return bytes, (pickle.PickleBuffer(self._data),)


class View:
    """A memoryview, which pickle refuses by itself."""

    def __init__(self, view: memoryview) -> None:
        self._view = view

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        view = self._view
        if view.format == "B" and view.ndim == 1:
            return memoryview, (pickle.PickleBuffer(view),)
        form = view.format, view.shape
        formed(view, *form)  # here it is told by name if that can't be done
        return formed, (pickle.PickleBuffer(view), *form)


def formed(buffer: bytes | memoryview, format: Any, shape: Any) -> memoryview:
    """View bytes as items. Raises TypeError or ValueError where memoryviews can't do that."""
    raw = memoryview(buffer).cast("B")
    formed: memoryview = raw.cast(format) if len(shape) == 1 else raw.cast(format, shape)
    return formed
