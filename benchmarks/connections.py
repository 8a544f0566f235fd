"""Throughput of a connection per request on two workers: `rr`, `shared`, uvicorn, Node's cluster.

python -m benchmarks.connections [ROUNDS] [NAME…]
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks import report
from benchmarks.load import CLIENTS, Load, Seen, wrk
from benchmarks.ratios import ratio, spread
from benchmarks.servers import HERE, Server, node, prefork, uvicorn
from benchmarks.trial import Trial

APP = "pid_app:app"
WORKERS = 2
ROUNDS = 9
SECONDS = 3
LOAD = Load("/pid", {"Connection": "close"})
SERVER_CORE, LOAD_CORE = 0, 1
Cores = tuple[int | None, int | None]  # the server's and the load's; None: where the kernel likes
LAYOUTS: dict[str, Cores] = {  # by name
    "both cores": (None, None),
    "one core": (SERVER_CORE, LOAD_CORE),
}
SERVERS = (
    prefork("rr", APP, HERE, "--workers", str(WORKERS), "--policy", "rr"),
    prefork("shared", APP, HERE, "--workers", str(WORKERS), "--policy", "shared"),
    uvicorn(APP, HERE, "--workers", str(WORKERS)),
    node(WORKERS),
)
COMPARED = (
    ("prefork rr", "prefork shared"),
    ("prefork rr", "node cluster"),
    ("prefork rr", "uvicorn"),
    ("prefork shared", "uvicorn"),
)
METHOD = f"""\
`wrk -t1 -c{CLIENTS} -d{SECONDS}s` with `Connection: close` against an application that answers
its pid, on {WORKERS} workers (Node: the same program for `http`, its cluster's default policy).
Each round measures every server once, in turn; ratios are taken round by round, and given as
median with quartiles. Two layouts:

- **both cores**: server and load are where the kernel puts them;
- **one core**: the server with all its workers on core {SERVER_CORE}, `wrk` on core {LOAD_CORE}:
  the processor time that a connection costs, all processes of the server together.

Every server had a second of load before it was measured. Connections that failed are counted in
the last column."""


def run(server: Server, cores: Cores) -> Seen:
    with Trial(server, core=cores[0]) as trial:
        trial.until_serving(WORKERS)
        wrk(trial.port, LOAD, seconds=1, core=cores[1])
        return wrk(trial.port, LOAD, seconds=SECONDS, core=cores[1])


def measure(servers: Sequence[Server], rounds: int, cores: Cores) -> dict[str, list[Seen]]:
    runs: dict[str, list[Seen]] = {server.name: [] for server in servers}  # by server
    for number in range(rounds):
        for server in servers:
            runs[server.name].append(run(server, cores))
            told = f"{number + 1}/{rounds} on {cores} {server.name}: {runs[server.name][-1]}"
            print(told, file=sys.stderr)
    return runs


def table(layout: str, runs: dict[str, list[Seen]]) -> report.Table:
    rates = {name: [run.rate for run in each] for name, each in runs.items()}
    rows = [
        [name, f"{spread(rates[name]).middle:.0f}", str(sum(run.failed for run in each))]
        for name, each in runs.items()
    ]
    for ours, theirs in COMPARED:
        if ours in rates and theirs in rates:
            rows.append([f"{ours} : {theirs}", str(ratio(rates[ours], rates[theirs])), ""])
    return report.Table(
        f"## {layout.capitalize()}", ["server", "connections/s", "failed, all rounds"], rows
    )


def main(arguments: Sequence[str]) -> None:
    rounds = int(arguments[0]) if arguments else ROUNDS
    wanted = [s for s in SERVERS if not arguments[1:] or s.name in arguments[1:]]
    servers = [s for s in wanted if shutil.which(s.command(0)[0])]
    runs = {layout: measure(servers, rounds, cores) for layout, cores in LAYOUTS.items()}
    tables = [table(layout, each) for layout, each in runs.items()]
    raw = {
        layout: {name: [asdict(run) for run in each] for name, each in found.items()}
        for layout, found in runs.items()
    }
    report.write("connections", "A connection per request", METHOD, tables, raw)


if __name__ == "__main__":
    main(sys.argv[1:])
