"""Memory, start and respawn of FastAPI + pandas on four workers, beside the peers.

python -m benchmarks.memory [ROUNDS] [NAME…]
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks import report
from benchmarks.ratios import ratio, spread
from benchmarks.servers import EXAMPLES, Server, gunicorn, prefork, uvicorn
from benchmarks.trial import Trial

APP = "heavy_app:app"
WORKERS = 4
ROUNDS = 5
SERVERS = (
    prefork("preload on", APP, EXAMPLES, "--workers", "4", "--preload", "on"),
    prefork("preload off", APP, EXAMPLES, "--workers", "4", "--preload", "off"),
    uvicorn(APP, EXAMPLES, "--workers", "4"),
    gunicorn("", APP, EXAMPLES, "--workers", "4"),
    gunicorn("--preload", APP, EXAMPLES, "--workers", "4", "--preload"),
)
METHOD = """\
`examples/heavy_app.py` (FastAPI, pandas) on 4 workers, everything else at its default, logs at
warning. Each round starts every server once, in turn; figures are medians over the rounds, with
quartiles in brackets where they are ratios, which are taken round by round.

- **memory**: PSS (`/proc/*/smaps_rollup`) of the whole process tree after about 500 requests;
- **start**: from exec until 4 different processes have answered `/pid`, asked in bursts of 16
  connections, one request each;
- **respawn**: from `kill -9` of one worker until a process that was not there before answers.

Client and server share the machine's cores, since all of them start at once."""


@dataclass(frozen=True, slots=True)
class Life:
    pss: float  # MB
    start: float  # seconds
    respawn: float  # seconds


def live(server: Server) -> Life:
    with Trial(server) as trial:
        pids = trial.until_serving(WORKERS)
        start = time.monotonic() - trial.started
        trial.warm(500)
        pss = trial.pss() / 1e6
        killed = time.monotonic()
        os.kill(min(pids), signal.SIGKILL)
        trial.until_replaced(sorted(pids))
        return Life(pss, start, time.monotonic() - killed)


def measure(servers: Sequence[Server], rounds: int) -> dict[str, list[Life]]:
    lives: dict[str, list[Life]] = {server.name: [] for server in servers}  # by server
    for number in range(rounds):
        for server in servers:
            lives[server.name].append(live(server))
            print(f"{number + 1}/{rounds} {server.name}: {lives[server.name][-1]}", file=sys.stderr)
    return lives


def row(name: str, lives: dict[str, list[Life]]) -> list[str]:
    ours, theirs = lives[name], lives["uvicorn"]
    cells = [name]
    for field, form in (("pss", "{:.0f}"), ("start", "{:.2f}"), ("respawn", "{:.3f}")):
        mine = [getattr(life, field) for life in ours]
        cells.append(form.format(spread(mine).middle))
        cells.append(str(ratio(mine, [getattr(life, field) for life in theirs])))
    return cells


def tables(lives: dict[str, list[Life]]) -> list[report.Table]:
    share = "of uvicorn's"
    head = ["server", "memory, MB", share, "start, s", share, "respawn, s", share]
    found = [report.Table("## Beside uvicorn", head, [row(name, lives) for name in lives])]
    forked, peer = lives.get("prefork preload on"), lives.get("gunicorn --preload")
    if forked and peer:
        memory = ratio([life.pss for life in forked], [life.pss for life in peer])
        rows = [["memory", str(memory)]]
        found.append(report.Table("## prefork preload on : gunicorn --preload", ["", ""], rows))
    return found


def main(arguments: Sequence[str]) -> None:
    rounds = int(arguments[0]) if arguments else ROUNDS
    lives = measure([s for s in SERVERS if not arguments[1:] or s.name in arguments[1:]], rounds)
    raw = {name: [asdict(life) for life in each] for name, each in lives.items()}
    report.write("memory", "Memory, start, respawn", METHOD, tables(lives), raw)


if __name__ == "__main__":
    main(sys.argv[1:])
