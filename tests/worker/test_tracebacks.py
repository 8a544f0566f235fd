import traceback

from prefork.worker.application import load
from prefork.worker.tracebacks import headline, own_traceback


def fail(message: str = "a bug") -> None:
    raise OSError(message)


def caught(call: object, *args: object) -> BaseException:
    assert callable(call)
    try:
        call(*args)
    except BaseException as error:  # noqa: BLE001 - it is what we are after
        return error
    raise AssertionError("nothing was raised")


def test_the_headline_is_type_and_message() -> None:
    assert headline(caught(fail)) == "OSError: a bug"


def test_the_headline_of_a_syntax_error_says_where() -> None:
    error = caught(compile, 'greeting = "tea', "/srv/api.py", "exec")
    assert headline(error).startswith("SyntaxError: unterminated string literal")
    assert headline(error).endswith("(api.py, line 1)")


def test_our_frames_are_left_out() -> None:
    error = caught(load, "no such module", ".", "auto")
    assert "src/prefork" in "".join(traceback.format_exception(error))
    assert "src/prefork" not in own_traceback(error)
    assert "in caught" in own_traceback(error)


def test_causes_and_groups_are_shown() -> None:
    def group() -> None:
        try:
            fail("first")
        except OSError as error:
            raise ExceptionGroup("several", [OSError("second")]) from error

    trace = own_traceback(caught(group))
    assert trace.index("OSError: first") < trace.index("OSError: second")
