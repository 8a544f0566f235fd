"""Clients that take their time cost a connection each, and the others nothing."""

from typing import Any

import pytest
from tests.process.conftest import Serve
from tests.support.crowd import Crowd, Life, Script, counted
from tests.support.memory import Growth
from tests.support.pacing import hold
from tests.support.pulse import Pulse, check

pytestmark = pytest.mark.alone
APP = "tests.support.target:app"
HEAD = "GET / HTTP/1.1\r\nHost: a\r\nX: "
LATE = 3.5  # seconds: counted from there, everything would be later than a busy machine excuses
SLOWNESS: dict[
    str, tuple[dict[str, Any], int]
] = {  # how clients don't complete a head: what they are told at the end of their time
    "a byte each second": ({"drops": HEAD + "x" * 100}, 408),
    "half a head, then a byte each second": ({"first": HEAD, "drops": "x"}, 408),
    "half a head, then nothing": ({"first": HEAD}, 408),
    "nothing at all": ({}, 0),
    "a late first byte": ({"drops": HEAD, "delay": LATE}, 408),
    "empty lines": ({"drops": "\r\n"}, 0),
}
AT_ONCE = 600  # milliseconds: 50 answers of 10 MB are begun in a few turns of the loop
TICKS = 2.5  # seconds, less than LATE: the worker's tick, and what a busy machine adds


def ended_in_time(lives: list[Life], timeout: float, status: int) -> None:
    """See that all were told so, and closed when their time was over, counted from the accept."""
    ends = counted(lives, lambda life: (life.end, life.status))
    wanted = {("closed", status)} | ({("reset", 0)} if status == 0 else set())
    assert ends.keys() <= wanted, ends  # what is sent to a closed connection is answered by a reset
    lasted = sorted(life.lasted for life in lives)
    print(f"{len(lives)} ended after {lasted[0]:.2f} to {lasted[-1]:.2f} s")
    assert lasted[0] > timeout - 0.6  # the clock of a worker is coarse
    assert lasted[-1] < timeout + TICKS


@pytest.mark.parametrize(
    ("count", "timeout"), [(300, 2.0), pytest.param(2000, 15.0, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("how", SLOWNESS)
def test_a_client_that_does_not_complete_a_head_is_ended_and_harms_nobody(
    serve: Serve, how: str, count: int, timeout: float
) -> None:
    script, status = SLOWNESS[how]
    timeout = max(timeout, script.get("delay", 0) + 2.5)  # so that the byte is there in time
    options = () if timeout == 15.0 else ("--header-timeout", str(timeout))
    program = serve("--workers", "1", *options, app=APP)
    calm = serve("--workers", "1", app=APP)
    (pid,) = program.workers(1)
    slow = Script(port=program.port, count=count, **script)
    with Pulse(program.port, calm.port) as pulse, Growth(pid) as growth, Crowd(slow) as crowd:
        lives = crowd.wait()
    print(f"{how}: +{growth.peak / count:,.0f} bytes for each of {count}")
    ended_in_time(lives, timeout, status)
    check(pulse.times)
    program.settled(lambda stats: stats["workers"][0]["connections"] == 0)
    assert program.workers(1) == [pid]


@pytest.mark.parametrize(
    ("count", "timeout"), [(50, 2.0), pytest.param(100, 20.0, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(("path", "each"), [("/give?mb=10", 400_000), ("/whole?mb=10", 10_700_000)])
@pytest.mark.parametrize("kind", ["app", "handler"])
def test_a_client_that_hardly_reads_costs_what_is_buffered_until_it_is_cut(  # noqa: PLR0913, PLR0917
    serve: Serve, kind: str, path: str, each: int, count: int, timeout: float
) -> None:
    options = ("--workers", "1", "--send-timeout", str(timeout), "--keepalive-timeout", "1")
    program = serve(*options, app=f"tests.support.target:{kind}")
    calm = serve("--workers", "1", app=APP)
    (pid,) = program.workers(1)
    head = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"
    slow = Script(port=program.port, count=count, first=head, reads=1, reads_every=1.0)
    with Growth(pid) as growth, Crowd(slow):
        program.settled(lambda stats: stats["workers"][0]["connections"] == count)
        with Pulse(program.port, calm.port) as pulse:
            hold(timeout)
        program.settled(lambda stats: stats["workers"][0]["connections"] == 0, 2 * timeout + 15)
    print(f"{kind} {path}: +{growth.peak / count:,.0f} bytes for each of {count}")
    assert growth.peak < count * each
    check(pulse.times, AT_ONCE if "whole" in path else 50)
    assert program.workers(1) == [pid]
