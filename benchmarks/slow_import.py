"""Requests per second, and memory, while new code is loaded that takes 20 s to import.

python -m benchmarks.slow_import [NAME…]
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import plot, report
from benchmarks.servers import Server, granian, gunicorn, hypercorn, prefork, uvicorn
from benchmarks.trial import Trial
from tests.support import pacing
from tests.support.deploys import APP, Deploys
from tests.support.load import Load
from tests.support.tidings import BIN, Plan, Report

WORKERS = 2
IMPORT = 20.0  # seconds
OLD, NEW = "1", "2"  # marks of the code
BEFORE, AFTER = 5.0, 35.0  # seconds around the request to reload
APART = 0.004  # seconds between requests
PICTURE = Path(__file__).parents[1] / "docs" / "howto" / "slow-import.svg"
SLOWLY = f"""
until = time.monotonic() + {IMPORT}
while time.monotonic() < until:
    sum(range(200_000))
    time.sleep(0.02)
"""
METHOD = f"""\
An application whose new version takes {IMPORT:.0f} s to import, a sixth of it computing, on
{WORKERS} workers, everything else at its default. Each {APART * 1000:.0f} ms a client opens a
connection of its own, asks once, never again, and gives up after 2 s; {BEFORE:.0f} s after it
began the new version is written over the old and the server is told to reload (prefork by
`prefork reload`, the others by SIGHUP). Requests are counted in each half second;
*lowest* is the half second with the fewest, of {1 / APART:.0f} a second that were asked. Memory is
the PSS of the whole process tree: before, at most (looked at each second), and at the end.

![requests per second](../../docs/howto/slow-import.svg)"""


@dataclass(frozen=True, slots=True)
class Life:
    rates: list[plot.Point]  # seconds since the request; old and new code's requests per second
    failed: int
    asked: int
    slowest: float  # seconds, of those that were served
    old_until: float  # seconds after the request
    new_from: float | None  # seconds after the request; None: it never came
    memory: list[float]  # MB, each second


def servers(home: Path) -> list[Server]:
    workers = ("--workers", str(WORKERS))
    return [
        prefork("", APP, home, *workers),
        uvicorn(APP, home, *workers),
        gunicorn("", APP, home, *workers),
        granian(APP, home, *workers),
        hypercorn(APP, home, *workers),
    ]


def live(server: Server, deploys: Deploys) -> Life:
    with Trial(server, log=deploys.place / "log") as trial:
        trial.until_serving(WORKERS)
        plan = Plan(port=trial.port, apart=APART, timeout=2, most_failures=10**6)
        with Load(plan) as load:
            memory = sampled(trial, BEFORE)
            deploys.write(NEW, at_import=SLOWLY)
            asked = time.monotonic()
            waiting = trial.reload()
            memory += sampled(trial, AFTER)
            found = load.report()
        if waiting:
            waiting.kill()
            waiting.communicate()
        return judged(found, asked, memory)


def sampled(trial: Trial, seconds: float) -> list[float]:
    """Return the memory at the start of each second, when all of them have passed."""
    found = [trial.pss() / 1e6 for _ in pacing.beats(1, seconds)]
    pacing.hold(1)
    return found


def judged(found: Report, asked: float, memory: list[float]) -> Life:
    counts = zip_longest(*(found.rhythm.get(mark, []) for mark in (OLD, NEW)), fillvalue=0)
    begun = found.started - asked
    rates = [(begun + (n + 0.5) * BIN, a / BIN, b / BIN) for n, (a, b) in enumerate(counts)]
    old = [answered.last for answered in found.answers if answered.mark == OLD]
    new = [answered.first for answered in found.answers if answered.mark == NEW]
    return Life(
        rates=rates[1:-1],  # the first and the last half second are not whole
        failed=len(found.failures),
        asked=found.served + len(found.failures),
        slowest=found.slowest,
        old_until=max(old) - asked,
        new_from=min(new) - asked if new else None,
        memory=memory,
    )


def row(name: str, life: Life) -> list[str]:
    lowest = min(old + new for x, old, new in life.rates if 0 < x < AFTER - 1)
    split = int(BEFORE)
    return [
        name,
        f"{life.failed} of {life.asked}",
        f"{life.slowest:.2f}",
        f"{lowest:.0f}",
        f"{max(0, life.old_until):.1f}",
        "never" if life.new_from is None else f"{life.new_from:.1f}",
        " / ".join(
            f"{mb:.0f}" for mb in (life.memory[split - 1], max(life.memory), life.memory[-1])
        ),
    ]


def picture(lives: dict[str, Life]) -> str:
    axes = plot.Axes(
        x="seconds since the request to reload",
        y="requests per second served by old code (blue) and new (green)",
        span=(-BEFORE, AFTER),
        top=1.2 / APART,
        step=5,
        marks={0: "reload", IMPORT: f"{IMPORT:.0f} s later"},
    )
    return plot.draw({name: life.rates for name, life in lives.items()}, axes)


def main(names: Sequence[str]) -> None:
    lives: dict[str, Life] = {}  # by server
    for place in range(len(servers(Path()))):
        with TemporaryDirectory() as home:
            server = servers(Path(home))[place]
            if not names or server.name in names:
                lives[server.name] = live(server, Deploys(Path(home)))
                print(server.name, row(server.name, lives[server.name]), file=sys.stderr)
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture(lives))
    head = ["server", "failed", "slowest, s", "lowest, requests/s", "old code until, s"]
    head += ["new code from, s", "memory before / most / after, MB"]
    table = report.Table(
        "## Beside the peers", head, [row(name, life) for name, life in lives.items()]
    )
    raw = {name: asdict(life) for name, life in lives.items()}
    report.write("slow-import", "A reload that takes 20 s to import", METHOD, [table], raw)


if __name__ == "__main__":
    main(sys.argv[1:])
