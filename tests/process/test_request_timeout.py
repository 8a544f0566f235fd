"""--request-timeout in the real program: who takes longer is answered, told of, and let go."""

import signal
from contextlib import closing

import pytest
from tests.process.conftest import Serve
from tests.support.asking import Caller, ask

LIMIT = 1.0


@pytest.mark.parametrize("interface", ["asgi", "handler", "wsgi"])
def test_a_request_that_takes_too_long_is_answered_and_told_with_its_stack(
    serve: Serve, interface: str
) -> None:
    program = serve("--request-timeout", str(LIMIT), app=f"tests.support.slow:{interface}")
    patient = Caller(program.port)
    with closing(patient), closing(Caller(program.port, 1)) as caller:
        patient.send("/more")
        reply = caller.ask("/long?with=query")
        assert (reply.status, reply.body) == (504, b"the answer took too long\n")
        [told] = program.journal.wait_for("request_timed_out")
        assert (told["method"], told["path"]) == ("GET", "/long")
        assert told["seconds"] >= LIMIT
        last = "await think(FOREVER)" if interface != "wsgi" else "_never.wait(FOREVER)"
        assert last in told["detail"]
        assert caller.ask("/").body == b"in time"  # on the same connection
        if interface == "wsgi":
            [told] = program.journal.wait_for("request_goes_on")
            assert (told["threads_lost"], told["threads"]) == (1, 10)
            assert last in told["detail"]
    assert (
        not [  # it was begun before, and asked for more
            each for each in program.journal.entries("request_timed_out") if each["path"] == "/more"
        ]
    )


def test_a_thread_that_is_lost_does_not_outlive_the_stop(serve: Serve) -> None:
    program = serve(
        *("--request-timeout", str(LIMIT), "--graceful-timeout", "1", "--threads", "1"),
        app="tests.support.slow:wsgi",
    )
    assert ask(program.port, "/long").status == 504
    assert ask(program.port, "/").status == 504  # it gets no thread
    program.signal(signal.SIGTERM)
    assert program.wait() == 6  # work was cut
    assert program.leftovers() == []
