"""What a reload of broken code does to the service: prefork beside its peers.

python -m benchmarks.bad_reloads [ROUNDS] [NAME…]
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from tempfile import TemporaryDirectory

from benchmarks import report
from benchmarks.servers import Server, granian, gunicorn, hypercorn, prefork, uvicorn
from benchmarks.trial import Trial
from tests.support import pacing
from tests.support.deploys import APP, Deploys, Fault
from tests.support.load import Load
from tests.support.program import ROOT
from tests.support.tidings import Plan, Report

WORKERS = 2
ROUNDS = 2
BEFORE, AFTER = 1.0, 12.0  # seconds of probing around the request to reload
LAST = 1.0  # seconds at the end, in which the service is what it has become
APART = 0.01  # seconds between probes
OLD, NEW = "1", "2"
TOLD_LINES = 20  # of what it said, in the raw results
CASES = {
    "sound": Fault.NONE,
    "raises at import": Fault.RAISES,
    "hangs at import": Fault.HANGS,
    "fails at startup": Fault.STARTUP_FAILS,
    "dies after startup": Fault.DIES,
}
REASONS = ("a broken deploy", "no database", "not ready", "exited with code", "Unexpected exit")
METHOD = f"""\
An application on {WORKERS} workers, everything else at its default, logs at warning; prefork with
`--start-timeout 3`. {BEFORE:.0f} s after probing began new code is written over the old and the
server is told to reload: prefork by `prefork reload --wait`, the others by SIGHUP, as their
documentation says. A probe is a connection of its own every {APART * 1000:.0f} ms, never repeated,
that gives up after 2 s. Each cell: probes that failed, of all, from {BEFORE:.0f} s before to
{AFTER:.0f} s after the request, and the slowest that was served; which code answers in the last
second; how an operator learns of it. *dies after startup*: every process of the new code but the
first leaves 0.3 s after its startup was complete."""


@dataclass(frozen=True, slots=True)
class Deploy:
    """What the new code does, and for how long it is watched."""

    fault: Fault = Fault.NONE
    at_import: str = ""
    after: float = AFTER


@dataclass(frozen=True, slots=True)
class Life:
    probes: int
    failures: dict[str, int]  # by kind
    slowest: float  # seconds, of those that were served
    serves: list[str]  # the marks that answered in the last second
    exit_code: int | None  # of the server; None: it lived on
    reload_code: int | None  # of the command that waited; None: there is none, or it waits yet
    is_reasoned: bool  # it was told why
    told: list[str]

    @property
    def failed(self) -> int:
        return sum(self.failures.values())


def servers(home: Path) -> list[Server]:
    workers = ("--workers", str(WORKERS))
    return [
        prefork("", APP, home, *workers, "--start-timeout", "3"),
        uvicorn(APP, home, *workers),
        gunicorn("", APP, home, *workers),
        granian(APP, home, *workers),
        hypercorn(APP, home, *workers),
    ]


def live(server: Server, deploys: Deploys, deploy: Deploy) -> Life:
    log = deploys.place / "log"
    with Trial(server, log=log) as trial:
        trial.until_serving(WORKERS)
        plan = Plan(port=trial.port, apart=APART, timeout=2, most_failures=10**6)
        with Load(plan) as load:
            pacing.hold(BEFORE)
            deploys.write(NEW, deploy.fault, at_import=deploy.at_import)
            waiting = trial.reload()
            pacing.hold(deploy.after)
            found = load.report()
        code, said = outcome(waiting)
        told = [*log.read_text(errors="replace").splitlines(), *said]
        told = [line.replace(f"{ROOT}/", "") for line in told]  # where this checkout lies
        return judged(found, trial.exit_code, code, told)


def outcome(waiting: Popen[str] | None) -> tuple[int | None, list[str]]:
    """Return how the command that waits ended, and what it said; None: it has not."""
    if waiting is None:
        return None, []
    try:
        said, _ = waiting.communicate(timeout=0.5)
    except TimeoutExpired:
        waiting.kill()
        said, _ = waiting.communicate()
        return None, said.splitlines()
    return waiting.returncode, said.splitlines()


def judged(found: Report, exit_code: int | None, code: int | None, told: list[str]) -> Life:
    last = max([answered.last for answered in found.answers], default=0.0)
    end = max([last, *(failure.at for failure in found.failures)])
    kinds = [failure.kind for failure in found.failures]
    return Life(
        probes=found.served + len(found.failures),
        failures={kind: kinds.count(kind) for kind in sorted(set(kinds))},
        slowest=found.slowest,
        serves=sorted({a.mark for a in found.answers if a.last >= end - LAST}),
        exit_code=exit_code,
        reload_code=code,
        is_reasoned=any(reason in line for line in told for reason in REASONS),
        told=told[-TOLD_LINES:],
    )


def cell(lives: Sequence[Life]) -> str:
    failed = sum(life.failed for life in lives)
    probes = sum(life.probes for life in lives)
    ends = dict.fromkeys(map(end, lives))
    told = dict.fromkeys(map(telling, lives))
    slowest = max(life.slowest for life in lives)
    counted = f"{failed} of {probes} failed, slowest {slowest:.2f} s"
    return "; ".join([counted, " or ".join(ends), " or ".join(told)])


def end(life: Life) -> str:
    """Say which code answers in the end."""
    if life.exit_code is not None:
        return f"**exited** with {life.exit_code}"
    match life.serves:
        case []:
            return "**serves nothing**"
        case [mark]:
            return "old code" if mark == OLD else "new code"
        case _:
            return "old and new code"


def telling(life: Life) -> str:
    """Say how an operator learns that it went wrong, or well."""
    if life.reload_code is not None:
        return f"exit code {life.reload_code}{', with the reason' if life.is_reasoned else ''}"
    if life.is_reasoned:
        return "the reason is logged"
    return "something is logged" if life.told else "nothing is said"


def measure(rounds: int, names: Sequence[str]) -> dict[str, dict[str, list[Life]]]:
    """Measure every case on every server, in turn; by case, then by server."""
    found: dict[str, dict[str, list[Life]]] = {case: {} for case in CASES}
    for number in range(rounds):
        for case, fault in CASES.items():
            for place in range(len(servers(Path()))):
                with TemporaryDirectory() as home:
                    server = servers(Path(home))[place]
                    if names and server.name not in names:
                        continue
                    life = live(server, Deploys(Path(home)), Deploy(fault))
                found[case].setdefault(server.name, []).append(life)
                print(f"{number + 1}/{rounds} {case}, {server.name}: {life}", file=sys.stderr)
    return found


def main(arguments: Sequence[str]) -> None:
    rounds = int(arguments[0]) if arguments else ROUNDS
    found = measure(rounds, arguments[1:])
    names = list(next(iter(found.values())))
    rows = [[case, *(cell(lives[name]) for name in names)] for case, lives in found.items()]
    table = report.Table("## What became of the service", ["new code", *names], rows)
    raw = {
        case: {name: [asdict(life) for life in each] for name, each in lives.items()}
        for case, lives in found.items()
    }
    report.write("bad-reloads", "Reloads of broken code", METHOD, [table], raw)


if __name__ == "__main__":
    main(sys.argv[1:])
