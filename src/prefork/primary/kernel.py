"""What the kernel says of a process that is not reaped yet, so that the pid is no other's."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
STOPPED = frozenset("Tt")  # by a signal; by a debugger
_TICK = os.sysconf("SC_CLK_TCK")  # of processor time, per second
_PAGE = os.sysconf("SC_PAGE_SIZE")
_UTIME, _STIME = 11, 12  # among the fields of /proc/PID/stat that follow the command


@dataclass(frozen=True, slots=True)
class Vitals:
    """Of a process and its main thread; times in seconds. Where nothing is known, as if idle."""

    state: str = ""  # the kernel's letter
    waits_in: str = ""  # the function of the kernel in which it sleeps
    delayed: float = 0.0  # how long, ever, it could have run and had no core
    used: float = 0.0  # processor time of all its threads

    @property
    def is_stopped(self) -> bool:
        return self.state in STOPPED

    def __str__(self) -> str:
        place = f" in {self.waits_in}" if self.waits_in else ""
        return f"state {self.state or 'unknown'}{place}, {self.used:.2f} s of processor time"


class Kernel:
    """*proc*: where its files are. Systems that have none know nothing here."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc

    def vitals(self, pid: int) -> Vitals:
        """Look at one process: three files, 50 µs."""
        fields = self._text(pid, "stat").rpartition(")")[2].split()
        waits_in = self._text(pid, "wchan").strip()
        schedule = self._text(pid, f"task/{pid}/schedstat").split()
        return Vitals(
            state=fields[0] if fields else "",
            waits_in="" if waits_in == "0" else waits_in,
            delayed=int(schedule[1]) / 1e9 if len(schedule) > 1 else 0.0,
            used=(int(fields[_UTIME]) + int(fields[_STIME])) / _TICK if fields else 0.0,
        )

    def resident(self, pid: int) -> int:
        """How many bytes of its memory are in RAM, those that it shares included: proc(5)."""
        fields = self._text(pid, "statm").split()
        return int(fields[1]) * _PAGE if len(fields) > 1 else 0

    def catches(self, pid: int, number: int) -> bool:
        """Whether a signal has a handler there: without one it would end the process."""
        for line in self._text(pid, "status").splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
        return False

    def _text(self, pid: int, name: str) -> str:
        try:
            return (self._proc / str(pid) / name).read_text(errors="replace")
        except OSError:
            return ""
