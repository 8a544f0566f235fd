"""What the access log costs: throughput with and without it, of a handler and of ASGI.

python -m benchmarks.access_log [ROUNDS]
"""

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.load import CLIENTS, Load, wrk
from benchmarks.ratios import ratio, spread
from benchmarks.servers import EXAMPLES, HERE, Server, prefork
from benchmarks.trial import Trial

ROUNDS = 15
SECONDS = 1
SERVER_CORE, LOAD_CORE = 0, 1
APPS = {  # by name: the application, and where it is
    "handler": ("hello:handler", EXAMPLES),
    "ASGI": ("pid_app:app", HERE),
}
FORMATS = ("combined", "json")
# What a browser sends; wrk itself sends a Host alone, which is cheaper to log.
HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
    "Referer": "http://127.0.0.1/index.html",
}
LOAD = Load("/pid", HEADERS)
METHOD = f"""\
`wrk -t1 -c{CLIENTS} -d{SECONDS}s` on kept-alive connections, with five headers as a browser sends
them, against one worker: `examples/hello.py`, and an ASGI application that answers its pid. The
server is on core {SERVER_CORE} and `wrk` on core {LOAD_CORE}, so that all that a line costs is
taken from the requests. All servers run all the time, and each round measures every one once, in
turn, so that what the machine does to one it does to the other; ratios and differences are taken
round by round, and given as median with quartiles. The log is a file.

*µs/request* is the processor time of the server, user and system, over the requests of the run;
*µs/line* is what the log adds to it, and *of none* the throughput beside that without a log."""


@dataclass(frozen=True, slots=True)
class Run:
    rate: float  # requests per second
    cost: float  # µs of the worker's processor time for a request
    failed: int


def servers(folder: Path) -> list[Server]:
    made = []
    for name, (app, home) in APPS.items():
        made.append(prefork(name, app, home, "--workers", "1"))
        for form in FORMATS:
            log = str(folder / f"{name}-{form}.log")
            options = ("--workers", "1", "--access-log", log, "--access-log-format", form)
            made.append(prefork(f"{name} {form}", app, home, *options))
    return made


def run(trial: Trial) -> Run:
    before = trial.cpu_seconds()
    seen = wrk(trial.port, LOAD, seconds=SECONDS, core=LOAD_CORE)
    return Run(seen.rate, (trial.cpu_seconds() - before) / seen.count * 1e6, seen.failed)


def measure(compared: Sequence[Server], rounds: int) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {server.name: [] for server in compared}  # by server
    with ExitStack() as running:
        trials = {
            each.name: running.enter_context(Trial(each, core=SERVER_CORE)) for each in compared
        }
        for trial in trials.values():
            trial.until_answered()
            wrk(trial.port, LOAD, seconds=1, core=LOAD_CORE)
        for number in range(rounds):
            for name, trial in trials.items():
                runs[name].append(run(trial))
                print(f"{number + 1}/{rounds} {name}: {runs[name][-1]}", file=sys.stderr)
    return runs


def table(app: str, runs: dict[str, list[Run]]) -> report.Table:
    without = runs[f"prefork {app}"]
    rows = []
    for form in ("", *FORMATS):
        each = runs[f"prefork {app} {form}".strip()]
        rate = spread([run.rate for run in each])
        cost = spread([run.cost for run in each])
        share = ratio([run.rate for run in each], [run.rate for run in without])
        line = spread([a.cost - b.cost for a, b in zip(each, without, strict=True)])
        failed = str(sum(run.failed for run in each))
        compared = (str(share), str(line)) if form else ("", "")
        rows.append([form or "none", f"{rate.middle:.0f}", f"{cost.middle:.2f}", *compared, failed])
    heads = ["access log", "requests/s", "µs/request", "of none", "µs/line", "failed, all rounds"]
    return report.Table(f"## {app}", heads, rows)


def main(arguments: Sequence[str]) -> None:
    rounds = int(arguments[0]) if arguments else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        runs = measure(servers(Path(folder)), rounds)
    tables = [table(app, runs) for app in APPS]
    raw = {name: [asdict(run) for run in each] for name, each in runs.items()}
    report.write("access-log", "What the access log costs", METHOD, tables, raw)


if __name__ == "__main__":
    main(sys.argv[1:])
