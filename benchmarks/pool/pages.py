"""The comparison as people read it: made of the results, so that it says nothing else.

python -m benchmarks.pool.pages writes the page anew, and measures nothing.
"""

import json
from collections.abc import Iterator, Sequence

from benchmarks import report
from benchmarks.pool.contenders import LIMITS, OURS
from benchmarks.pool.questions import BUSY, FULL, QUESTIONS, Question
from benchmarks.ratios import Spread, ratio, spread

RESULTS = report.RESULTS / "pool.json"
PAGE = report.RESULTS / "pool.md"
MISSED = "**missed**"
SCALES = {"µs": 1e6, "ms": 1e3}  # of seconds
Found = dict[str, dict[str, list[float]]]  # seconds for a task: by title, by pool, each round
METHOD = f"""\
Each pool has as many processes (Piscina: threads) as there are cores, and is awaited from one event
loop: prefork's in a worker of `prefork serve --workers 1 --pool N`, and in a script as
`prefork.Pool(N)`; those of `concurrent.futures.ProcessPoolExecutor` (by `run_in_executor`) and
pebble in scripts too, all under uvloop, as the worker's is; and Piscina's under Node. All of them
run all the time, and each round asks every one each question once, in turn, so that what the
machine does to one it does to the others. Figures are medians of the rounds; ratios were taken
round by round, and are given with their quartiles.

- **an empty task**: the median of {FULL.trips} round trips, one after another.
- **empty tasks, 16 under way**: how many come back in a second, of {FULL.flights}.
- **50 MB in**: a NumPy array of float64 is given to a task that returns its last number; **and
  out**: to one that returns the array; **read on both sides**: to one that adds it all up before,
  as the caller does with what came back. Otherwise the caller compares it after the clock was
  stopped. The median of {FULL.carried}. With Piscina the buffer is in the `transferList` both ways:
  it is moved, and who gave it has it no more.
- **tasks of 5 ms, 16 under way**: a loop that takes 5 ms of a core, {FULL.tasks} times. *cores*: as
  many processes as the pools have run the same loop, each by itself, all at the same time, and
  nothing else. Node's loop is one of its own, and so are its cores.

`make bench-pool` fails where a bar is missed."""


def made() -> str:
    """Return the page of the results."""
    results = json.loads(RESULTS.read_text())
    title = "A pool for CPU-bound work, beside others"
    return report.page(title, METHOD, tables(results["rounds"]), results["machine"])


def write() -> None:
    PAGE.write_text(made())


def tables(found: Found) -> list[report.Table]:
    names = list(found[BUSY.title])
    figures = [[each.title, *(figure(each, found, name) for name in names)] for each in QUESTIONS]
    made = [report.Table("## Figures", ["", *names], figures)]
    if OURS in names:
        rivals = [name for name in names if name != OURS]
        rows = [
            [heading(each), *(compared(each, found, name) for name in rivals)] for each in QUESTIONS
        ]
        made.append(report.Table("## prefork's, as a share of theirs", ["", *rivals], rows))
        made.append(report.Table("## Bars", ["", "of", "bar", "found", ""], list(bars(found))))
    rows = [[name, str(of_limit(found, name))] for name in names if name not in LIMITS.values()]
    made.append(report.Table("## Tasks of 5 ms, of what the cores can do", ["pool", "share"], rows))
    return made


def heading(question: Question) -> str:
    return f"{question.title}: {'rate' if question.is_rate else 'time'}"


def figure(question: Question, found: Found, name: str) -> str:
    if not (taken := found[question.title].get(name)):
        return ""
    if question.is_rate:
        return f"{spread([1 / each for each in taken]).middle:.0f} {question.unit}"
    return f"{SCALES[question.unit] * spread(taken).middle:.1f} {question.unit}"


def compared(question: Question, found: Found, rival: str) -> str:
    return str(share(question, found, rival)) if rival in found[question.title] else ""


def share(question: Question, found: Found, rival: str) -> Spread:
    """Return prefork's time, or its rate, as a share of the rival's."""
    ours, theirs = found[question.title][OURS], found[question.title][rival]
    return ratio(theirs, ours) if question.is_rate else ratio(ours, theirs)


def of_limit(found: Found, name: str) -> Spread:
    return ratio(found[BUSY.title][LIMITS[name]], found[BUSY.title][name])


def bars(found: Found) -> Iterator[Sequence[str]]:
    for question in QUESTIONS:
        for rival, bar in question.bars.items():
            bound = f"{'at least' if question.is_rate else 'at most'} {bar}"
            if rival not in found[question.title]:
                yield heading(question), rival, bound, "not measured", ""
                continue
            seen = share(question, found, rival)
            is_kept = seen.middle >= bar if question.is_rate else seen.middle <= bar
            yield heading(question), rival, bound, str(seen), "kept" if is_kept else MISSED


def missed(found: Found) -> Iterator[str]:
    if OURS in found[BUSY.title]:
        for what, rival, bound, seen, verdict in bars(found):
            if verdict == MISSED:
                yield f"{what}, of {rival}: {seen}, and not {bound}"


if __name__ == "__main__":
    write()
