"""Ten thousand connections that do nothing cost memory, and nothing else."""

import signal
from contextlib import ExitStack

import pytest
from tests.process.conftest import Serve
from tests.support import processes
from tests.support.crowd import Crowd, Script, counted
from tests.support.pacing import hold
from tests.support.pulse import Pulse, check

pytestmark = pytest.mark.alone
APP = "tests.support.target:app"
GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CROWDS = 2  # processes of clients
EACH = 12_000  # bytes of a worker for a connection that was asked once
WATCHED = 3.0  # seconds


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_idle_connections_cost_memory_and_no_time_and_survive_a_reload(
    serve: Serve, count: int
) -> None:
    program = serve("--workers", "2", app=APP)
    calm = serve("--workers", "2", app=APP)
    pids = program.workers(2)
    before = sum(map(processes.own_pss, pids))
    share = count // CROWDS
    with ExitStack() as opened:
        crowds = [
            opened.enter_context(
                Crowd(Script(port=program.port, count=share, first=GET, answers=1, origin=at))
            )
            for at in range(1, 1 + count, share)
        ]
        program.settled(lambda stats: sum(w["connections"] for w in stats["workers"]) == count)
        grown = sum(map(processes.own_pss, pids)) - before
        with Pulse(program.port, calm.port) as pulse:
            hold(WATCHED)
        told = program.stats()["workers"]
        print(f"{count} idle: {grown / count:,.0f} bytes each; lag {told[0]['loop_lag_ms']:.1f} ms")
        check(pulse.times)
        assert grown < count * EACH
        program.signal(signal.SIGHUP)
        for crowd in crowds:
            crowd.ask()
        for crowd in crowds:
            crowd.await_answers()
        program.settled(lambda stats: [w["generation"] for w in stats["workers"]] == [2, 2], 30)
        lives = [life for crowd in crowds for life in crowd.report()]
    ends = counted(lives, lambda life: (life.end, life.answers))
    print(f"after the reload: {dict(ends)}")
    assert ends == {("open", 2): count}
