"""What the processes of a program have open."""

from collections import Counter

from tests.support import pacing, processes
from tests.support.program import Program


def census(program: Program) -> dict[str, Counter[str]]:
    """Count the descriptors of every process by their kinds, by what the process is."""
    stats = program.stats()
    pids = {"primary": program.pid}
    for role in ("workers", "templates", "pool"):
        pids |= {f"{role}[{n}]": entry["pid"] for n, entry in enumerate(stats[role])}
    pacing.hold(0.1)  # the primary closes its end of our question after we have the answer
    return {who: kinds(pid) for who, pid in pids.items()}


def kinds(pid: int) -> Counter[str]:
    return Counter(name.partition(":")[0] for name in processes.descriptors(pid).values())


def sockets(pid: int) -> set[str]:
    held = processes.descriptors(pid).values()
    return {name for name in held if name.startswith("socket:")}
