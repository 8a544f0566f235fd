"""Requests per second on one core, and what each costs, beside the peers.

python -m benchmarks.throughput [ROUNDS] [SCENARIO…]
"""

import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from benchmarks import bars, report
from benchmarks.instructions import Count, count
from benchmarks.load import CLIENTS, Load, wrk
from benchmarks.ratios import Spread, ratio, spread
from benchmarks.servers import (
    HERE,
    Server,
    bare_limit,
    granian,
    gunicorn,
    hypercorn,
    node_http,
    prefork,
    uvicorn,
)
from benchmarks.trial import Trial

ROUNDS = 9
SECONDS = 2
SERVER_CORE, LOAD_CORE = 0, 1
ONE = ("--workers", "1")
# What a browser sends beside Host: twenty fields in all.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": "http://127.0.0.1/index.html",
    "Cookie": "session=2b1f8a9c0d7e4f63; theme=dark; consent=yes",
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
    "DNT": "1",
    "Sec-GPC": "1",
    "Upgrade-Insecure-Requests": "1",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-User": "?1",
    "Sec-CH-UA-Mobile": "?0",
    "Sec-CH-UA-Platform": "Linux",
    "Priority": "u=0, i",
    "X-Request-ID": "b5a1c2d3-0f4e-4a6b-9c8d-7e6f5a4b3c2d",
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """Servers under the same load. *ours* is compared to each of the others."""

    name: str
    told: str
    load: Load
    ours: Server
    others: tuple[Server, ...]

    @property
    def present(self) -> tuple[Server, ...]:
        """Those that can be started here."""
        return (self.ours, *(each for each in self.others if shutil.which(each.command(0)[0])))


def asgi(app: str) -> tuple[Server, ...]:
    """Every peer that serves ASGI, uvicorn first."""
    return (
        uvicorn(app, HERE),
        granian(app, HERE, *ONE),
        gunicorn("asgi", app, HERE, *ONE),
        hypercorn(app, HERE, *ONE, "--worker-class", "uvloop"),
    )


HELLO, ECHO = "hello_app:app", "hello_app:echo"
SCENARIOS = (
    Scenario(
        "ASGI",
        "An ASGI application that answers `Hello, world!`.",
        Load(),
        prefork("asgi", HELLO, HERE, *ONE),
        (*asgi(HELLO), node_http(), bare_limit()),
    ),
    Scenario(
        "handler",
        "The same as `async def handler(request)`; the peers as above.",
        Load(),
        prefork("handler", "hello_app:handler", HERE, *ONE),
        (uvicorn(HELLO, HERE), bare_limit()),
    ),
    Scenario(
        "20 headers",
        "The ASGI application, asked with twenty header fields, as a browser does.",
        Load(headers=BROWSER),
        prefork("asgi", HELLO, HERE, *ONE),
        asgi(HELLO)[:3],
    ),
    Scenario(
        "POST",
        "10 KB of JSON, which an ASGI application sends back.",
        Load(script=HERE / "post.lua"),
        prefork("asgi", ECHO, HERE, *ONE),
        asgi(ECHO)[:3],
    ),
    Scenario(
        "FastAPI",
        "FastAPI's smallest application: the framework takes most of the time.",
        Load(),
        prefork("asgi", "hello_fastapi:app", HERE, *ONE),
        asgi("hello_fastapi:app")[:3],
    ),
    Scenario(
        "Flask",
        "Flask's smallest application, on 8 threads where the server has threads.",
        Load(),
        prefork("wsgi", "hello_flask:app", HERE, *ONE, "--threads", "8"),
        (
            gunicorn("gthread", "hello_flask:app", HERE, "--threads", "8", worker="gthread"),
            granian("hello_flask:app", HERE, "--blocking-threads", "8", interface="wsgi"),
        ),
    ),
)
METHOD = f"""\
`wrk -t1 -c{CLIENTS} -d{SECONDS}s` on kept-alive connections against one worker (Node: one process).
The server with all its processes and threads is on core {SERVER_CORE}, `wrk` on core {LOAD_CORE}.
All servers of a scenario run all the time and had a second of load before; each round measures
every one once, in turn, so that what the machine does to one it does to the others. Every server
is at its defaults but for one worker, logs at warning and, for uvicorn, no access log; all take
uvloop where they can, of one version, and gunicorn its parser in C. prefork has all its limits,
timeouts, statistics and flow control on.

Figures are medians over the rounds; ratios are taken round by round, and given as median with
quartiles. *µs/request* is the processor time of the server's whole tree, user and system.
*prefork : it* says how many requests prefork answers for each of the other's; *by CPU*, how many
it could for the same processor time.

The *bare limit* is uvloop and httptools with an answer that is always the same: what no server on
this stack can do better. It heeds no limit, no header, and no application.

![what each server answers beside prefork](latest.svg)"""


@dataclass(frozen=True, slots=True)
class Run:
    rate: float  # requests per second
    cost: float  # µs of the tree's processor time for a request
    failed: int


Runs = Mapping[str, Sequence[Run]]  # by server


def run(trial: Trial, load: Load) -> Run:
    before = trial.cpu_seconds()
    seen = wrk(trial.port, load, seconds=SECONDS, core=LOAD_CORE)
    return Run(seen.rate, (trial.cpu_seconds() - before) / seen.count * 1e6, seen.failed)


def measure(scenario: Scenario, rounds: int) -> Runs:
    runs: dict[str, list[Run]] = {server.name: [] for server in scenario.present}
    with ExitStack() as running:
        trials = {
            each.name: running.enter_context(Trial(each, core=SERVER_CORE))
            for each in scenario.present
        }
        for trial in trials.values():
            trial.until_answered()
            wrk(trial.port, scenario.load, seconds=1, core=LOAD_CORE)
        for number in range(rounds):
            for name, trial in trials.items():
                runs[name].append(run(trial, scenario.load))
                told = f"{number + 1}/{rounds} {scenario.name}, {name}: {runs[name][-1]}"
                print(told, file=sys.stderr)
    return runs


def beside(runs: Runs, ours: str, other: str) -> tuple[Spread, Spread]:
    """How many of the other's requests one of ours is worth: by throughput, and by CPU."""
    mine, its = runs[ours], runs[other]
    rates = ratio([each.rate for each in mine], [each.rate for each in its])
    costs = ratio([each.cost for each in its], [each.cost for each in mine])
    return rates, costs


def table(scenario: Scenario, runs: Runs) -> report.Table:
    ours, rows = scenario.ours.name, []
    for name, each in runs.items():
        rate, cost = spread([run.rate for run in each]), spread([run.cost for run in each])
        compared = map(str, beside(runs, ours, name)) if name != ours else ("", "")
        failed = str(sum(run.failed for run in each))
        rows.append([name, f"{rate.middle:.0f}", f"{cost.middle:.1f}", *compared, failed])
    heads = ["server", "requests/s", "µs/request", "prefork : it", "by CPU", "failed, all rounds"]
    return report.Table(f"## {scenario.name}\n\n{scenario.told}", heads, rows)


def counted(counts: Sequence[Count]) -> report.Table:
    theirs = {each.server: each.instructions for each in counts}["uvicorn"]
    rows = [
        [each.server, f"{each.instructions:.0f}", f"{theirs / each.instructions:.2f}"]
        for each in counts
    ]
    told = (
        "## Instructions\n\nUser-space instructions for a request, counted by `valgrind "
        "--tool=callgrind`: the difference between two\nnumbers of requests, one after the other "
        "on one connection. Repeatable, whatever else the machine does."
    )
    return report.Table(told, ["server", "instructions/request", "uvicorn's : its"], rows)


def missing(scenarios: Sequence[Scenario]) -> list[str]:
    """Say which servers are left out, because they aren't here."""
    absent = {
        other.name for each in scenarios for other in each.others if other not in each.present
    }
    return [f"{name} is not here, and not measured" for name in sorted(absent)]


def main(arguments: Sequence[str]) -> None:
    rounds = int(arguments[0]) if arguments else ROUNDS
    wanted = [each for each in SCENARIOS if not arguments[1:] or each.name in arguments[1:]]
    for told in missing(wanted):
        print(told, file=sys.stderr)
    found = {each.name: measure(each, rounds) for each in wanted}
    counts = count() if shutil.which("valgrind") else []
    tables = [table(each, found[each.name]) for each in wanted]
    if counts:
        tables.append(counted(counts))
    else:
        print("valgrind is not here, and no instructions are counted", file=sys.stderr)
    raw = {
        "throughput": {
            name: {server: [asdict(run) for run in each] for server, each in runs.items()}
            for name, runs in found.items()
        },
        "instructions": [asdict(each) for each in counts],
    }
    report.write("latest", "Requests per second", METHOD, tables, raw)
    (report.RESULTS / "latest.svg").write_text(bars.draw(bars_of(wanted, found)))


def bars_of(scenarios: Sequence[Scenario], found: Mapping[str, Runs]) -> list[bars.Group]:
    """Each server's throughput beside prefork's, which is 1."""
    groups = []
    for each in scenarios:
        runs, ours = found[each.name], each.ours.name
        shares = {
            name: ratio([run.rate for run in of], [run.rate for run in runs[ours]])
            for name, of in runs.items()
        }
        groups.append(bars.Group(each.name, shares))
    return groups


if __name__ == "__main__":
    main(sys.argv[1:])
