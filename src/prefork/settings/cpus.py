"""How many CPUs this process may really use: its affinity and its container's quota."""

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

V1_MOUNTS = ("cpu", "cpu,cpuacct", "cpuacct,cpu")  # below /sys/fs/cgroup, by distribution
V2_MOUNTS = ("", "unified")  # the second where v1 and v2 are mounted side by side


def available_parallelism(root: Path = Path("/")) -> int:
    """Give min(affinity, CPU quota rounded up); *root* is where /proc and /sys are looked for."""
    return tightest(_affinity(), quotas(root))


def tightest(affinity: int, quotas: Iterable[float]) -> int:
    """The smallest of what each limit allows, and at least 1."""
    return max(1, min([affinity, *(math.ceil(quota) for quota in quotas)]))


def quotas(root: Path) -> list[float]:
    """Every CPU quota that applies to this process, in CPUs; [] where nothing readable limits it.

    Sources: cgroups(7), Documentation/admin-guide/cgroup-v2.rst (cpu.max),
    Documentation/scheduler/sched-bwc.rst (cpu.cfs_quota_us).
    """
    mounts = root / "sys/fs/cgroup"
    found: list[float | None] = []
    for controllers, path in _memberships(_text(root / "proc/self/cgroup")):
        if controllers == [""]:
            found += [_v2(d) for name in V2_MOUNTS for d in _upwards(mounts / name, path)]
        elif "cpu" in controllers:
            found += [_v1(d) for name in V1_MOUNTS for d in _upwards(mounts / name, path)]
    return [quota for quota in found if quota is not None]


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memberships(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Read /proc/self/cgroup: controllers, [""] for version 2, and the parts of the path."""
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number.isdigit() and path.startswith("/"):
            yield controllers.split(","), [p for p in path.split("/") if p not in ("", ".", "..")]


def _upwards(mount: Path, path: list[str]) -> Iterator[Path]:
    """The group's directory and all above it to the mount, which is the group itself where the
    container sees its own group as the root, or doesn't see the path at all."""
    for depth in range(len(path), -1, -1):
        yield mount.joinpath(*path[:depth])


def _v2(group: Path) -> float | None:
    quota, _, period = _text(group / "cpu.max").strip().partition(" ")
    return _cpus(quota, period)


def _v1(group: Path) -> float | None:
    return _cpus(_text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us"))


def _cpus(quota: str, period: str) -> float | None:
    """The quota in CPUs; None for "max", -1 and what is not a number."""
    try:
        share, of = int(quota), int(period)
    except ValueError:
        return None
    return share / of if share > 0 and of > 0 else None


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
