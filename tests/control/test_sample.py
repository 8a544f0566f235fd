import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from tests.support.instance import stats, worker

from prefork.control.sample import Usage, measured, sample, with_usage


@pytest.fixture
def gone() -> int:
    """The pid of a process that was."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    return child.pid


def test_this_process_has_memory_and_cpu() -> None:
    [usage] = sample([os.getpid()], window=0.01).values()
    assert usage.rss is not None
    assert usage.cpu_percent is not None
    assert usage.rss > 1_000_000
    assert usage.cpu_percent >= 0


@pytest.mark.skipif(sys.platform != "linux", reason="PSS is a number of Linux")
def test_pss_is_not_more_than_rss() -> None:
    [usage] = sample([os.getpid()], window=0.0).values()
    assert usage.rss is not None
    assert usage.pss is not None
    assert 0 < usage.pss <= usage.rss


def test_a_busy_process_shows_its_cpu_time() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        # One of several: other tests may want the CPU too.
        shares = (sample([busy.pid], window=0.5)[busy.pid].cpu_percent for _ in range(10))
        assert any(share is not None and share > 10 for share in shares)
    finally:
        busy.kill()
        busy.wait()


def test_a_process_that_vanished_has_no_entry(gone: int) -> None:
    assert sample([gone], window=0.0) == {}


def test_a_zombie_has_no_memory() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    usage = sample([child.pid], window=0.0).get(child.pid, Usage())
    child.communicate()
    assert not usage.rss
    assert not usage.pss


def test_a_stopped_process_is_measured_like_another() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        assert sample([child.pid], window=0.01)[child.pid].cpu_percent is not None
    finally:
        child.kill()
        child.communicate()


def test_usage_is_added_to_every_process_and_summed() -> None:
    answer = stats(pid=1, workers=[worker(0, pid=2), worker(1, pid=None), worker(2, pid=9)])
    answer["templates"] = [{"id": 1, "pid": 3, "state": "serving", "generation": 1, "uptime": 1.0}]
    usages = {1: Usage(1.0, 100, 10), 2: Usage(2.0, 200, 20), 3: Usage(3.0, 300, None)}
    seen: dict[str, Any] = with_usage(answer, usages)
    assert seen["primary"] == {"pid": 1, "cpu_percent": 1.0, "rss": 100, "pss": 10}
    assert [each["rss"] for each in seen["workers"]] == [200, None, None]
    assert seen["workers"][2]["cpu_percent"] is None
    assert seen["templates"][0]["pss"] is None
    assert seen["memory"] == {"rss": 600, "pss": 30}
    assert "primary" not in answer  # the answer itself is left alone


def test_where_nothing_is_known_nothing_is_summed() -> None:
    assert with_usage(stats(), {})["memory"] == {"rss": None, "pss": None}


def test_an_answer_is_measured_by_its_pids(gone: int) -> None:
    seen = measured(stats(pid=os.getpid(), workers=[worker(0, pid=gone)]))
    assert seen["primary"]["rss"] > 0
    assert seen["workers"][0]["rss"] is None
