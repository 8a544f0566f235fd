"""How a program ends: after the requests in flight, at its deadline, hurried, or at once."""

import http.client
import itertools
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
from tests.process.conftest import Serve
from tests.support.asking import Caller, ask
from tests.support.program import Program

GENTLE = [signal.SIGTERM, signal.SIGINT]
DONE, CUT = 0, 6
NEVER = ("--graceful-timeout", "300")  # by itself, as far as a test can see
SOON = 10.0  # seconds, most of which only a busy machine takes


def in_flight(opened: ExitStack, program: Program, path: str, numbers: range) -> list[Caller]:
    """Send requests that the application says to be busy with."""
    callers = [opened.enter_context(closing(Caller(program.port, number))) for number in numbers]
    for caller in callers:
        caller.send(path)
    program.journal.wait_for_line("app: ", count=len(callers))
    return callers


def assert_no_trace(program: Program) -> None:
    assert program.leftovers() == []
    assert not program.control.exists()


@pytest.mark.parametrize("preload", ["on", "off"])
@pytest.mark.parametrize("number", GENTLE)
def test_an_idle_program_stops_without_trace(
    serve: Serve, number: signal.Signals, preload: str
) -> None:
    program = serve("--workers", "2", "--preload", preload)
    assert ask(program.port, "/pid").status == 200
    program.signal(number)
    assert program.wait() == DONE
    assert program.journal.ended()
    assert_no_trace(program)


@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGTERM, 2), (signal.SIGINT, 0.5)])
def test_a_request_in_flight_is_answered_before_the_exit(
    serve: Serve, number: signal.Signals, seconds: float
) -> None:
    program = serve("--workers", "2")
    with ExitStack() as opened:
        (caller,) = in_flight(opened, program, f"/slow?seconds={seconds}", range(1))
        program.signal(number)
        assert caller.reply().status == 200
        assert program.wait() == DONE
    assert_no_trace(program)


def test_the_last_answer_says_that_the_connection_closes(serve: Serve) -> None:
    program = serve()
    with ExitStack() as opened:
        (caller,) = in_flight(opened, program, "/slow?seconds=0.5", range(1))
        program.signal(signal.SIGTERM)
        assert caller.reply().headers["connection"] == "close"


def test_ctrl_c_in_a_terminal_is_as_gentle(serve: Serve) -> None:
    """A terminal signals its whole foreground group, not the primary alone."""
    program = serve("--workers", "2")
    with ExitStack() as opened:
        callers = in_flight(opened, program, "/slow?seconds=0.5", range(4))
        os.killpg(program.pid, signal.SIGINT)
        assert [caller.reply().status for caller in callers] == [200] * 4
        assert program.wait() == DONE
    assert_no_trace(program)


def test_a_term_to_every_process_is_as_gentle(serve: Serve) -> None:
    """As systemd sends it by default (KillMode=control-group)."""
    program = serve("--workers", "2")
    with ExitStack() as opened:
        callers = in_flight(opened, program, "/slow?seconds=0.5", range(10))
        for pid in [*program.tree(), program.pid]:
            os.kill(pid, signal.SIGTERM)
        assert [caller.reply().status for caller in callers] == [200] * 10
        assert program.wait() == DONE


def test_an_endless_request_ends_at_the_graceful_timeout(serve: Serve) -> None:
    program = serve("--workers", "2", "--graceful-timeout", "1")
    with ExitStack() as opened:
        (caller,) = in_flight(opened, program, "/endless", range(1))
        start = time.monotonic()
        program.signal(signal.SIGTERM)
        assert caller.reply().status == 503
        assert program.wait() == CUT
        assert 1 <= time.monotonic() - start < SOON
    assert_no_trace(program)


def test_an_answer_that_has_begun_is_cut_at_the_graceful_timeout(serve: Serve) -> None:
    program = serve("--graceful-timeout", "0.5")
    with ExitStack() as opened:
        (caller,) = in_flight(opened, program, "/begun", range(1))
        start = time.monotonic()
        program.signal(signal.SIGTERM)
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            caller.reply()
        assert program.wait() == CUT
        assert 0.5 <= time.monotonic() - start < SOON


def test_a_wedged_worker_ends_at_the_graceful_timeout(serve: Serve) -> None:
    program = serve("--workers", "2", "--graceful-timeout", "0.5")
    with ExitStack() as opened:
        in_flight(opened, program, "/wedge", range(1))
        start = time.monotonic()
        program.signal(signal.SIGTERM)
        assert program.wait() == CUT
        assert 0.5 <= time.monotonic() - start < SOON
    assert_no_trace(program)


@pytest.mark.parametrize("number", GENTLE)
def test_a_second_signal_hurries(serve: Serve, number: signal.Signals) -> None:
    program = serve("--workers", "2", *NEVER)
    with ExitStack() as opened:
        in_flight(opened, program, "/endless", range(1))
        program.signal(number)
        program.settled(lambda stats: stats["state"] == "stopping")
        program.signal(number)
        assert program.wait() == CUT


def test_quit_is_at_once(serve: Serve) -> None:
    program = serve("--workers", "2", *NEVER)
    with ExitStack() as opened:
        in_flight(opened, program, "/endless", range(2))
        start = time.monotonic()
        program.signal(signal.SIGQUIT)
        assert program.wait() == CUT
        assert time.monotonic() - start < SOON
    assert_no_trace(program)


def test_quit_of_an_idle_program_cuts_nothing(serve: Serve) -> None:
    program = serve("--workers", "2")
    program.signal(signal.SIGQUIT)
    assert program.wait() == DONE
    assert_no_trace(program)


def test_a_silent_connection_is_answered_once_during_the_drain(serve: Serve) -> None:
    """It was accepted and has not spoken yet: that is not idle."""
    program = serve("--workers", "2")
    with ExitStack() as opened:
        busy = in_flight(opened, program, "/slow?seconds=0.5", range(2))
        silent = [opened.enter_context(closing(Caller(program.port, n))) for n in range(10, 14)]
        program.settled(lambda s: sum(w["connections"] for w in s["workers"]) == 6)
        program.signal(signal.SIGTERM)
        program.settled(lambda stats: stats["state"] == "stopping")
        assert [caller.ask("/pid").status for caller in silent] == [200] * 4
        assert [caller.reply().status for caller in busy] == [200] * 2
        # One that was answered before the signal idles for 2 s, and its client has 2 s to close.
        assert program.wait() == DONE


def test_applications_shut_down_before_the_exit(serve: Serve) -> None:
    program = serve("--workers", "2")
    program.signal(signal.SIGTERM)
    assert program.wait() == DONE
    assert len(program.journal.wait_for_line("app: shut down", count=2)) == 2


def test_a_stop_during_the_start_ends_it(serve: Serve) -> None:
    """The order may overtake the fork of the workers, and must not be lost."""
    for _ in range(3):
        program = serve("--workers", "8", waits=False)
        program.journal.wait_for_line("{")  # the handlers are there when it first speaks
        program.signal(signal.SIGTERM)
        assert program.wait() == DONE
        assert_no_trace(program)


def test_what_is_accepted_while_it_stops_is_answered(serve: Serve) -> None:
    """Only the kernel, closing its own queue of the listener, may reset a connection."""
    program = serve("--workers", "2")
    stopping = threading.Event()

    def call() -> int:
        for served in itertools.count():
            try:
                reply = ask(program.port, "/pid")
            except http.client.RemoteDisconnected:
                raise  # it is a ConnectionResetError, and means accepted but never answered
            except (ConnectionRefusedError, ConnectionResetError):
                return served if stopping.is_set() else 0
            assert reply.status == 200
        raise AssertionError

    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(call) for _ in range(8)]
        program.settled(lambda stats: int(stats["totals"]["requests"]) > 50)
        stopping.set()
        program.signal(signal.SIGTERM)
        assert program.wait() == DONE
        assert all(each.result() > 0 for each in calls)
