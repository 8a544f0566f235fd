"""What a script's own main module is, and what of it can be found in the processes of its pool."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from prefork.pool import codec
from prefork.wire.estate import Main

_OWN = "__main__:"
_UNIMPORTABLE = (
    "this program's main module is not imported there, being -c, standard input, an interactive "
    "session or a __main__.py: define it in a module of its own"
)


def main() -> Main:
    """Say how this program's main module is imported elsewhere: by the rules of multiprocessing."""
    module = sys.modules["__main__"]
    known = Main(search_path=tuple(map(str, sys.path)), argv=tuple(sys.argv))
    name = str(getattr(getattr(module, "__spec__", None), "name", ""))
    if name:  # what is a __main__.py has no guard
        return known if name.rpartition(".")[2] == "__main__" else replace(known, name=name)
    path = os.path.abspath(str(getattr(module, "__file__", "")))
    return replace(known, path=path) if os.path.isfile(path) else known


def trouble(function: Callable[..., Any], main: Main) -> str:
    """Why it can't be found in another process of this program; empty: it can, as far as we see."""
    if main.is_importable or not codec.name_of(function).startswith(_OWN):
        return ""
    return _UNIMPORTABLE
