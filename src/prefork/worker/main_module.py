"""The main module of a script, run once more where its tasks are to find what is in it.

The rules are multiprocessing's: it is called `__mp_main__` meanwhile, so that what stands under
`if __name__ == "__main__"` is left out.
"""

import runpy
import sys
from types import ModuleType

from prefork.errors import AppError
from prefork.wire.estate import Main
from prefork.worker.freshness import import_what_is_written
from prefork.worker.tracebacks import ANYTHING, headline, own_traceback

NAME = "__mp_main__"


class _Run:
    """Of this process: whether it runs the module just now, and what that did wrong meanwhile."""

    def __init__(self) -> None:
        self.is_on = False
        self.refusal: AppError | None = None


_run = _Run()


def load(main: Main) -> None:
    """Find modules where the script does, and have its main module as the script has it.

    Raises AppError, with the script's own traceback where that is what failed.
    """
    import_what_is_written()
    sys.path[:] = main.search_path
    sys.argv[:] = main.argv
    if main.is_importable:
        sys.modules["__main__"] = sys.modules[NAME] = _module(main)


def refuse_inside() -> None:
    """Raise AppError where the main module is just being run: it would start a pool in each.

    Whatever it makes of that, it is refused.
    """
    if _run.is_on:
        _run.refusal = AppError(
            "the script starts a pool as it is imported by that: put what starts it under "
            'if __name__ == "__main__":'
        )
        raise _run.refusal


def _module(main: Main) -> ModuleType:
    _run.is_on = True
    try:
        content = _content(main)
    except ANYTHING as error:
        what = f"the script {main.path or main.name} raised: {headline(error)}"
        raise _run.refusal or AppError(what, own_traceback(error)) from None
    finally:
        _run.is_on = False
    if _run.refusal is not None:
        raise _run.refusal
    module = ModuleType(NAME)
    vars(module).update(content)
    return module


def _content(main: Main) -> dict[str, object]:
    if main.name:
        return runpy.run_module(main.name, run_name=NAME, alter_sys=True)
    return runpy.run_path(main.path, run_name=NAME)
