"""Rounds of chaos over the real program, one instance after another on one port.

`python -m tests.chaos.session SECONDS [SEED]` goes on for so long, and prints what it found.
"""

import io
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

from tests.chaos.deaths import Death, deaths
from tests.chaos.driver import Place, lived
from tests.chaos.evidence import Evidence
from tests.chaos.schedule import Round, schedule
from tests.chaos.verdict import findings

TAIL = 60  # events of the timeline, and failures
LOG = 200  # lines of the instance's log


def session(seed: int, seconds: float) -> list[str]:
    """Live through the rounds of a seed, at most to the first one with a finding; return that."""
    return lived_through(schedule(seed, seconds), f"seed {seed}, {seconds:g} seconds")


def lived_through(rounds: Iterable[Round], name: str, variant: str = "none") -> list[str]:
    """Likewise, of any rounds. *variant*: of naive.VARIANTS."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as home:
        place = Place(Path(home), variant=variant)
        for round in rounds:
            with redirect_stdout(io.StringIO()) as said:  # its log, which Program prints
                evidence, port = lived(place, round)
            place = replace(place, port=port)
            found = findings(evidence)
            print(summary(evidence), flush=True)
            if found:
                print(*said.getvalue().splitlines()[-LOG:], sep="\n")
                print(story(name, evidence, found), flush=True)
                return found
    return []


def summary(evidence: Evidence) -> str:
    report = evidence.report
    deeds = Counter(deed.what for deed in evidence.deeds)
    told = ", ".join(f"{count} x {what}" for what, count in sorted(deeds.items()))
    return (
        f"{evidence.round}: {report.served} served, {len(report.failures)} failed, "
        f"slowest {report.slowest:.2f} s; {told}"
    )


def story(name: str, evidence: Evidence, found: list[str]) -> str:
    """Tell what was found, what was done, and what the fleet made of it."""
    deeds = sorted([*evidence.deeds, *evidence.wedged], key=lambda deed: deed.at)
    return "\n".join(
        [
            f"--- {name}, {evidence.round}",
            *("--- found", *found),
            *("--- failed", *map(str, evidence.report.failures[-TAIL:])),
            *("--- died", *(f"{each}, {held(evidence, each)}" for each in deaths(evidence))),
            *("--- done", *(f"{deed.at:.3f} {deed.what} pid {deed.pid}" for deed in deeds)),
            *("--- the fleet's (now, event, orders)", evidence.timeline.tail(TAIL)),
        ]
    )


def held(evidence: Evidence, death: Death) -> str:
    """What the log says that it had in its hands."""
    exits = [each for each in evidence.entries if each["event"] == "worker_exited"]
    return ", ".join(f"{e['connections']} connections" for e in exits if e["pid"] == death.pid)


def main(seconds: float, seed: int) -> int:
    print(f"seed {seed}, {seconds:g} seconds", flush=True)
    found = session(seed, seconds)
    print(f"seed {seed}: {len(found)} findings")
    return min(1, len(found))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the instance is ended, too
    drawn = int(sys.argv[2]) if sys.argv[2:] else random.randrange(2**32)
    sys.exit(main(float(sys.argv[1]), drawn))
