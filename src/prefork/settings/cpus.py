"""How many CPUs this process may really use: its affinity and its container's quota."""

import math
import os
from collections.abc import Iterable
from pathlib import Path

from prefork.settings import cgroup

V2, V1_QUOTA, V1_PERIOD = "cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"


def available_parallelism(root: Path = Path("/")) -> int:
    """Return how many CPUs this process may use: by its affinity and its container's quota.

    A quota counts rounded up. *root*: where /proc and /sys are looked for.
    """
    return tightest(_affinity(), quotas(root))


def tightest(affinity: int, quotas: Iterable[float]) -> int:
    """The smallest of what each limit allows, and at least 1."""
    return max(1, min([affinity, *(math.ceil(quota) for quota in quotas)]))


def quotas(root: Path) -> list[float]:
    """Every CPU quota that applies to this process, in CPUs; [] where nothing readable limits it.

    Sources: cgroups(7), Documentation/admin-guide/cgroup-v2.rst (cpu.max),
    Documentation/scheduler/sched-bwc.rst (cpu.cfs_quota_us).
    """
    found = [
        _v2(file) if file.name == V2 else _v1(file)
        for file in cgroup.files(root, "cpu", V2, V1_QUOTA)
    ]
    return [quota for quota in found if quota is not None]


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _v2(limit: Path) -> float | None:
    quota, _, period = cgroup.text(limit).strip().partition(" ")
    return _cpus(quota, period)


def _v1(quota: Path) -> float | None:
    return _cpus(cgroup.text(quota), cgroup.text(quota.with_name(V1_PERIOD)))


def _cpus(quota: str, period: str) -> float | None:
    """The quota in CPUs; None for "max", -1 and what is not a number."""
    try:
        share, of = int(quota), int(period)
    except ValueError:
        return None
    return share / of if share > 0 and of > 0 else None
