"""How long ordinary requests take meanwhile, on kept connections and on new ones, at a calm pace.

    python -m tests.support.pulse PORT …

It asks each port in turn until its standard input ends, and then writes what it took as JSON.
"""

import http.client
import json
import select
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Self

from tests.support.pacing import beats
from tests.support.program import ROOT

PACE = 0.01  # seconds
LONGEST = 600.0  # seconds
PATIENCE = 20.0  # seconds for an answer


@dataclass(slots=True)
class Times:
    """Seconds that requests to one server took."""

    kept: list[float] = field(default_factory=list)
    new: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = (
            f"{name} p50 {p(t, 0.5):.1f} p99 {p(t):.1f} max {p(t, 1):.1f} ms"
            for name, t in (("kept", self.kept), ("new", self.new))
            if t
        )
        return f"{len(self.kept) + len(self.new)} requests: {', '.join(told)}"

    @property
    def p99(self) -> float:
        """The worse of the two, in milliseconds."""
        return max(p(self.kept), p(self.new))

    @property
    def longest(self) -> float:
        """Of all, in milliseconds."""
        return max(p(self.kept, 1), p(self.new, 1))


def p(times: list[float], share: float = 0.99) -> float:
    """Return a percentile, in milliseconds."""
    ordered = sorted(times)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Asker:
    """Asks one server, now on a connection that it keeps, now on a new one."""

    def __init__(self, port: int) -> None:
        self.times = Times()
        self._port = port
        self._kept = self._connect()

    def ask(self, is_new: bool) -> None:
        began = time.perf_counter()
        try:
            if is_new:
                with closing(self._connect()) as fresh:
                    self._get(fresh)
            else:
                self._get(self._kept)
        except (OSError, http.client.HTTPException) as error:
            self.times.failed.append(repr(error))
            self._kept.close()
            return
        (self.times.new if is_new else self.times.kept).append(time.perf_counter() - began)

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)

    def _get(self, connection: http.client.HTTPConnection) -> None:
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        if response.status != http.HTTPStatus.OK:
            raise http.client.HTTPException(response.status)


def main(ports: list[int]) -> list[Times]:
    askers = [Asker(port) for port in ports]
    for number, _ in enumerate(beats(PACE, LONGEST)):
        for asker in askers:
            asker.ask(is_new=number % 2 == 0)
        if select.select([sys.stdin], [], [], 0)[0]:
            break
    return [asker.times for asker in askers]


class Pulse:
    """Such a process, while the context is open; then `times` are of each port."""

    def __init__(self, *ports: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.pulse", *map(str, ports)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.times: list[Times] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        out, _ = self._process.communicate(timeout=PATIENCE + 10)
        self.times = [Times(**each) for each in json.loads(out)]


def check(times: list[Times], limit: float = 50) -> None:
    """See that requests to the first took under *limit* milliseconds, beside what the second took.

    Both share the machine with whatever else runs on it; the calm one tells how much that costs.
    """
    harassed, calm = times
    print(f"harassed: {harassed}\ncalm: {calm}")
    assert not harassed.failed, harassed.failed[:5]
    assert harassed.p99 < limit + 2 * calm.p99


if __name__ == "__main__":
    print(json.dumps([asdict(each) for each in main(list(map(int, sys.argv[1:])))]))
