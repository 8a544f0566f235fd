"""Ask every pool in turn, write what was found, and fail where a bar is missed.

python -m benchmarks.pool [ROUNDS] [NAME…]

With names, of pools, nothing is written.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks import report
from benchmarks.pool import pages
from benchmarks.pool.contenders import CONTENDERS, LIMITS, Asked, missing
from benchmarks.pool.pages import Found
from benchmarks.pool.questions import FULL, QUESTIONS, Effort, Question

ROUNDS = 7
TASK = 0.005  # seconds of processor time


def measure(names: Sequence[str], rounds: int, effort: Effort = FULL) -> Found:
    """Ask all of *names* each question once in a round, in turn."""
    processes = len(os.sched_getaffinity(0))
    found: Found = {
        each.title: {name: [] for name in filter(each.is_for, names)} for each in QUESTIONS
    }
    with ExitStack() as running:
        asked = {name: running.enter_context(CONTENDERS[name](processes)) for name in names}
        loops = {name: work(name, asked) for name in names}
        for number in range(rounds):
            for question in QUESTIONS:
                for name in filter(question.is_for, names):
                    line = question.line.format(effort=effort, loops=loops[name])
                    found[question.title][name].append(asked[name].ask(line))
                    print(f"{number + 1}/{rounds} {told(found, question, name)}", file=sys.stderr)
    return found


def work(name: str, asked: dict[str, Asked]) -> int:
    """Return how many loops a task has in its language."""
    return int(asked[LIMITS[name]].ask(f"loops/{TASK}"))


def told(found: Found, question: Question, name: str) -> str:
    return f"{question.title}, {name}: {1e6 * found[question.title][name][-1]:.1f} µs for each"


def present(names: Sequence[str]) -> list[str]:
    here = []
    for name in names:
        if lacks := missing(name):
            print(f"{name} is not measured: {lacks}", file=sys.stderr)
        else:
            here.append(name)
    return here


def main(arguments: Sequence[str]) -> int | str:
    rounds = int(arguments[0]) if arguments else ROUNDS
    if unknown := [name for name in arguments[1:] if name not in CONTENDERS]:
        return f"no pool is called {', '.join(unknown)}"
    wanted = {limit for name in arguments[1:] for limit in (name, LIMITS[name])}
    found = measure(present([name for name in CONTENDERS if name in wanted or not wanted]), rounds)
    print(*pages.tables(found), sep="\n\n")
    if not wanted:
        report.save("pool", found)
        pages.write()
    broken = list(pages.missed(found))
    print(*broken, sep="\n", end="\n" if broken else "", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
