"""What an instance tells about itself, whatever its workers do."""

import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support import pacing
from tests.support.asking import Caller, ask
from tests.support.clients import Plan
from tests.support.load import Load
from tests.support.program import Outcome, Program, Stats, run

OF_THE_INSTANCE = {"name", "pid", "version", "policy", "bind", "generation", "state", "uptime"}
OF_A_WORKER = {"slot", "id", "pid", "state", "generation", "uptime", "restarts", "connections"}
OF_A_WORKER |= {"accepted", "requests", "handed_back", "in_flight", "loop_lag_ms"}
OF_A_WORKER |= {"cpu_percent", "rss", "pss"}


def command(program: Program, *words: str) -> Outcome:
    """Run a command as typed, with the instance's socket in the place where it is looked for."""
    return run(*words, home=program.home)


def wedge(program: Program, caller: Caller) -> int:
    caller.send("/wedge")
    return int(program.journal.wait_for_line("app: wedged")[0].split()[-1])


def test_the_socket_answers_within_100_ms_while_a_worker_is_wedged(serve: Serve) -> None:
    program = serve("--workers", "2")
    with closing(Caller(program.port)) as caller:
        wedged = wedge(program, caller)
        times = []
        for _ in range(20):
            start = time.monotonic()
            stats = program.stats()
            times.append(time.monotonic() - start)
            assert wedged in [worker["pid"] for worker in stats["workers"]]
    assert min(times) < 0.1  # what an answer costs; the rest is what others take of the cores


def test_the_command_answers_within_half_a_second_while_a_worker_is_wedged(serve: Serve) -> None:
    """Of processor time: the rest is what others take of the cores. For nobody does it wait."""
    harassed, calm = serve("--workers", "2"), serve("--workers", "2")
    with closing(Caller(harassed.port)) as caller:
        wedge(harassed, caller)
        times = [(timed(harassed), timed(calm)) for _ in range(5)]
    assert min(wedged.used for wedged, _ in times) < 0.5
    assert min(wedged.took - beside.took for wedged, beside in times) < 0.5


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a command, in seconds."""

    took: float
    used: float  # of a processor


def timed(program: Program) -> Cost:
    """Ask by the command as it is typed; return what that cost."""
    start, before = time.monotonic(), used_by_children()
    outcome = command(program, "stats", "shop", "--json")
    assert outcome.code == 0, outcome.err
    return Cost(time.monotonic() - start, used_by_children() - before)


def used_by_children() -> float:
    """Return the processor time of all that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_stats_as_json_hold_every_documented_field(serve: Serve) -> None:
    program = serve("--workers", "2", "--policy", "rr")
    ask(program.port, "/pid")
    stats = json.loads(command(program, "stats", "--json").out)
    assert stats.keys() >= OF_THE_INSTANCE | {"workers", "totals"}
    assert (stats["name"], stats["pid"], stats["policy"]) == ("shop", program.pid, "rr")
    assert stats["bind"] == program.bind
    assert stats["state"] == "serving"
    assert [worker["slot"] for worker in stats["workers"]] == [0, 1]
    for worker in stats["workers"]:
        assert worker.keys() >= OF_A_WORKER
        assert worker["rss"] >= worker["pss"] > 1_000_000


def test_a_request_in_flight_shows_and_goes(serve: Serve) -> None:
    program = serve()
    with closing(Caller(program.port)) as caller:
        caller.send("/slow?seconds=1")
        program.settled(lambda s: [w["in_flight"] for w in s["workers"]] == [1])
        assert caller.reply().status == 200
        program.settled(lambda s: [w["in_flight"] for w in s["workers"]] == [0])
        stats = program.settled(lambda s: [w["requests"] for w in s["workers"]] == [1])
    assert stats["totals"]["requests"] == 1


def test_a_wedged_loop_shows_as_lag(serve: Serve) -> None:
    program = serve("--workers", "2")
    with closing(Caller(program.port)) as caller:
        wedged = wedge(program, caller)

        def lags(stats: Stats) -> bool:
            return any(
                worker["loop_lag_ms"] > 1000
                for worker in stats["workers"]
                if worker["pid"] == wedged
            )

        program.settled(lags, timeout=5)


def test_requests_equal_what_clients_were_served(serve: Serve) -> None:
    program = serve("--workers", "2")
    with Load(Plan(port=program.port, per_request=8, keep_alive=8, posting=8)) as load:
        pacing.hold(0.5)
        report = load.report()
    assert report.failures == []
    stats = program.settled(lambda s: int(s["totals"]["requests"]) >= report.served)
    assert stats["totals"]["requests"] == report.served
    assert stats["totals"]["accepted"] == report.connections


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
@pytest.mark.parametrize("seconds", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_requests_equal_what_wrk_counted(serve: Serve, seconds: int) -> None:
    program = serve("--workers", "2")
    url = f"http://127.0.0.1:{program.port}/pid"
    wrk = ["wrk", "-c32", "-t1", f"-d{seconds}s", url]
    said = subprocess.run(wrk, capture_output=True, text=True, check=True, timeout=30).stdout
    found = re.search(r"(\d+) requests in", said)
    assert found, said
    counted = int(found[1])
    stats = program.settled(lambda s: all(w["connections"] == 0 for w in s["workers"]))
    assert counted <= stats["totals"]["requests"] <= counted + 32  # in flight when wrk stopped


def test_counters_never_go_back_while_workers_are_killed(serve: Serve) -> None:
    program = serve("--workers", "4")
    dice = random.Random(6)
    seen: list[dict[str, int]] = []
    with Load(Plan(port=program.port, per_request=8, keep_alive=8)) as load:
        for beat, _ in enumerate(pacing.beats(0.02, 2)):
            stats = program.stats()
            seen.append(stats["totals"])
            alive = [worker["pid"] for worker in stats["workers"] if worker["state"] == "serving"]
            if beat % 10 == 9 and alive:
                os.kill(dice.choice(alive), signal.SIGKILL)
        report = load.report()
    for field in ("accepted", "requests", "handed_back", "exits"):
        values = [totals[field] for totals in seen]
        assert values == sorted(values)
    assert program.stats()["totals"]["exits"] >= 8
    assert report.served > 100


def test_a_replaced_worker_counts_as_a_restart_of_its_slot(serve: Serve) -> None:
    program = serve("--workers", "2")
    victim = program.workers(2)[1]
    os.kill(victim, signal.SIGKILL)
    program.settled(lambda stats: victim not in [w["pid"] for w in stats["workers"]])
    program.workers(2)
    assert [worker["restarts"] for worker in program.stats()["workers"]] == [0, 1]


def test_list_names_the_instance_and_status_says_that_it_is_healthy(serve: Serve) -> None:
    program = serve("--workers", "2")
    assert "shop" in command(program, "list").out
    status = command(program, "status")
    assert status.code == 0
    assert [pid for pid in program.workers(2) if str(pid) in status.out] == program.workers(2)


def test_stop_waits_for_the_end_when_asked_to(serve: Serve) -> None:
    program = serve("--workers", "2")
    outcome = command(program, "stop", "shop", "--wait")
    assert outcome.code == 0, outcome.err
    assert program.wait() == 0
    assert not program.control.exists()


def test_the_socket_of_a_dead_instance_is_removed(serve: Serve) -> None:
    program = serve()
    program.signal(signal.SIGKILL)
    program.wait()
    assert program.control.exists()
    assert "shop" not in command(program, "list").out
    assert not program.control.exists()


def test_the_control_socket_is_the_owners_alone(serve: Serve) -> None:
    program = serve()
    assert program.control.stat().st_mode & 0o777 == 0o600
    assert program.control.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "line", [b"\n", b"{}\n", b"no json\n", b'{"prefork": 2}\n', b"x" * 200_000]
)
def test_nonsense_on_the_control_socket_harms_nobody(serve: Serve, line: bytes) -> None:
    program = serve()
    program.whisper(line)
    assert program.stats()["state"] == "serving"


def test_the_control_socket_can_be_elsewhere(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.sock"
    program = serve("--control", str(path))
    assert not program.control.exists()
    outcome = command(program, "stats", str(path), "--json")
    assert json.loads(outcome.out)["pid"] == program.pid
