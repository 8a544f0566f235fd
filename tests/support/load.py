"""The clients as a process that a test starts, stops and asks for its report."""

import select
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.support import tidings
from tests.support.program import ROOT
from tests.support.tidings import Plan, Report

CLIENTS = ("-m", "tests.support.clients")


class Load:
    """Every client was served once when the context opens; `report()` ends the load."""

    def __init__(self, plan: Plan, entry: Sequence[str] = CLIENTS) -> None:
        self._plan = plan
        self._process = subprocess.Popen(
            [sys.executable, *entry, tidings.written(plan)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # unbuffered, or the report hides behind the first line
        )

    def report(self) -> Report:
        """Stop the clients after the requests they are at, and return what happened to them."""
        out, _ = self._process.communicate(timeout=self._plan.timeout + 10)
        assert self._process.returncode == 0
        return tidings.report(out.splitlines()[-1])

    def __enter__(self) -> Self:
        try:
            self._first_line(self._plan.timeout + 10)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._end()

    def _first_line(self, timeout: float) -> None:
        assert self._process.stdout is not None
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        assert poll.poll(timeout * 1000), "not every client was served once"
        line = self._process.stdout.readline()
        assert b"served" in line, line

    def _end(self) -> None:
        self._process.kill()
        self._process.communicate()
