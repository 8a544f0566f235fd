"""What the kernel says, from a directory that looks like /proc, and from the real one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import processes

from prefork.primary.kernel import Kernel, Vitals

FIELDS = "1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 100 0 0"  # after the state
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")


def entry(proc: Path, state: str = "S", wchan: str = "hrtimer_nanosleep") -> Path:
    place = proc / "7"
    (place / "task" / "7").mkdir(parents=True)
    (place / "stat").write_text(f"7 (a ) name) {state} {FIELDS}\n")
    (place / "wchan").write_text(wchan)
    (place / "task" / "7" / "schedstat").write_text("3000000000 1500000000 12\n")
    (place / "status").write_text("Name:\tx\nSigCgt:\t0000000400000000\n")
    return place


def test_a_process_is_read_whatever_its_command_is_called(tmp_path: Path) -> None:
    entry(tmp_path)
    vitals = Kernel(tmp_path).vitals(7)
    tick = os.sysconf("SC_CLK_TCK")
    assert vitals == Vitals("S", "hrtimer_nanosleep", delayed=1.5, used=300 / tick)
    assert not vitals.is_stopped
    assert str(vitals) == f"state S in hrtimer_nanosleep, {300 / tick:.2f} s of processor time"


@pytest.mark.parametrize("state", ["T", "t"])
def test_stopped_is_stopped_by_a_signal_or_by_a_debugger(tmp_path: Path, state: str) -> None:
    entry(tmp_path, state)
    assert Kernel(tmp_path).vitals(7).is_stopped


def test_who_does_not_sleep_waits_in_nothing(tmp_path: Path) -> None:
    entry(tmp_path, "R", "0")
    assert Kernel(tmp_path).vitals(7).waits_in == ""


def test_where_there_is_nothing_to_read_nothing_is_known(tmp_path: Path) -> None:
    assert Kernel(tmp_path).vitals(7) == Vitals()
    assert not Kernel(tmp_path).catches(7, 35)
    assert str(Vitals()) == "state unknown, 0.00 s of processor time"


def test_a_kernel_without_schedstat_delays_nobody(tmp_path: Path) -> None:
    (entry(tmp_path) / "task" / "7" / "schedstat").unlink()
    assert Kernel(tmp_path).vitals(7).delayed == 0.0


def test_whether_a_signal_is_caught_is_read_from_its_bit(tmp_path: Path) -> None:
    entry(tmp_path)
    assert Kernel(tmp_path).catches(7, 35)
    assert not Kernel(tmp_path).catches(7, 34)
    assert not Kernel(tmp_path).catches(7, 36)


@needs_proc
def test_the_real_kernel_says_so_of_a_real_process() -> None:
    waiting = "import signal, sys; signal.signal(12, print); print(flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", waiting], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        kernel = Kernel()
        assert kernel.catches(process.pid, 12)
        assert not kernel.catches(process.pid, 10)
        os.kill(process.pid, signal.SIGSTOP)
        processes.until_state(process.pid, "T")
        vitals = kernel.vitals(process.pid)
        assert vitals.is_stopped
        assert 0 <= vitals.used < 60
        assert vitals.delayed == pytest.approx(processes.run_delay(process.pid), abs=0.1)
    finally:
        process.kill()
        process.communicate()
