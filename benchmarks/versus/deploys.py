"""New code that is put in place and then doesn't start, or takes its time."""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bad_reloads import NEW, OLD, Deploy, Life, end, live
from benchmarks.versus.contenders import Contender, deployed
from benchmarks.versus.row import WORKERS, Effort, Outcome, Row
from tests.support.deploys import Deploys, Fault


def broken(contender: Contender, effort: Effort) -> Outcome:
    return judged(deploy(contender, Deploy(Fault.RAISES, after=effort.broken)), [OLD])


def slow(contender: Contender, effort: Effort) -> Outcome:
    sleeping = f"time.sleep({effort.import_takes})"
    after = effort.import_takes + effort.imported
    return judged(deploy(contender, Deploy(at_import=sleeping, after=after)), [NEW])


def deploy(contender: Contender, new: Deploy) -> Life:
    with TemporaryDirectory() as home:
        server = contender.serve(deployed(Path(home)), WORKERS)
        return live(server, Deploys(Path(home)), new)


def judged(life: Life, wanted: list[str]) -> Outcome:
    """Judge by which code is to answer in the end; the old one, if the reload was to fail."""
    is_told = life.reload_code == 1 and life.is_reasoned
    told = f"{life.failed:,} of {life.probes:,}, {end(life)}"
    if is_told:
        told += ", reload reported failed"
    facts = {"failures": life.failures, "serves": life.serves, "exit_code": life.exit_code}
    is_right = life.serves == wanted and life.exit_code is None and is_told == (wanted == [OLD])
    return Outcome(told, life.failed == 0 and is_right, facts)


PROBED = "Requests that were not answered, of one each 10 ms, and what the service is at the end"
BROKEN = Row(
    title="reload of code that fails to import",
    done="New code that raises at import is put in place, and the server told to reload.",
    counted=f"{PROBED}.",
    promise="0, old code, reload reported failed",
    run=broken,
)
SLOW = Row(
    title="reload of code that takes 20 s to import",
    done="New code that takes its time to import is put in place, and the server told to reload.",
    counted=f"{PROBED}.",
    promise="0, new code",
    run=slow,
    is_quiet=True,
)
ROWS = (BROKEN, SLOW)
