"""Importing what is written now, and not what was written in the same second before it."""

import sys
from collections.abc import Mapping
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)

from prefork.worker.clock import wall_time

YOUNG = 2.0  # seconds; a .pyc knows its source's change by whole seconds


class SourceLoader(SourceFileLoader):
    """Neither reads nor writes a .pyc for a source that has just changed.

    CPython takes a .pyc for valid by the source's size and the second of its change. A deploy that
    changes one character within the second of the last import would be loaded as it was before.
    """

    def path_stats(self, path: str) -> Mapping[str, float]:
        """As in importlib.abc.SourceLoader, where an OSError means: without a cache."""
        stats = super().path_stats(path)
        if wall_time() - stats["mtime"] < YOUNG:
            raise OSError(f"{path} was changed just now")
        return stats


_HOOK = FileFinder.path_hook(
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)


def import_what_is_written() -> None:
    """Have modules imported from now on loaded so."""
    if _HOOK not in sys.path_hooks:
        sys.path_hooks.insert(0, _HOOK)
        sys.path_importer_cache.clear()
