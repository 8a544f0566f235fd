"""The application's own traceback: without our frames, and without importlib's."""

from collections.abc import Iterator
from pathlib import Path
from traceback import FrameSummary, StackSummary, TracebackException

# What code of the application may end with: whatever it is must not end the event loop.
ANYTHING = BaseException
OURS = str(Path(__file__).parent.parent)


def own_traceback(error: BaseException) -> str:
    """Format *error* as its author would see it."""
    report = TracebackException.from_exception(error)
    for part in _parts(report):
        part.stack = StackSummary.from_list([frame for frame in part.stack if not is_hidden(frame)])
    return "".join(report.format()).rstrip()


def headline(error: BaseException) -> str:
    """The last line of its traceback: type and message; of a syntax error's several, the place."""
    if isinstance(error, SyntaxError):
        message = str(error).replace(f" (detected at line {error.lineno})", "")  # the end says it
        return f"{type(error).__name__}: {message}"
    return "".join(TracebackException.from_exception(error).format_exception_only()).strip()


def _parts(report: TracebackException) -> Iterator[TracebackException]:
    yield report
    for part in (report.__cause__, report.__context__, *(report.exceptions or ())):
        if part is not None:
            yield from _parts(part)


def is_hidden(frame: FrameSummary) -> bool:
    """Whether it says nothing to the application's author: it is ours, or importlib's."""
    file = frame.filename
    return file.startswith((OURS, "<frozen importlib", "<frozen runpy")) or Path(file).parts[
        -2:
    ] == ("importlib", "__init__.py")
