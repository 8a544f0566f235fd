"""What is told of an exception, whatever it is: a headline, and its traceback as text."""

from types import TracebackType


def headline(error: BaseException) -> str:
    """Say what an exception is, and what it says of itself, if it can."""
    try:
        said = str(error)
    except Exception:  # noqa: BLE001 - it is the user's
        said = "<exception str() failed>"  # as in a traceback
    return f"{type(error).__name__}: {said}"


def traceback_of(error: BaseException, *ours: str) -> str:
    """Format it without the frames at its top that are of the files *ours*."""
    from traceback import format_exception  # noqa: PLC0415 - only where something was raised

    inner: TracebackType | None = error.__traceback__
    while inner is not None and inner.tb_frame.f_code.co_filename in ours:
        inner = inner.tb_next
    return "".join(format_exception(type(error), error, inner)).rstrip()
