import os
from pathlib import Path

import pytest

from prefork.settings.cpus import available_parallelism, quotas, tightest

V1 = "4:memory:/pod\n3:cpu,cpuacct:/kube/pod\n2:cpuset:/\n"


def machine(root: Path, membership: str, **files: str) -> Path:
    """A root directory with /proc/self/cgroup and files below /sys/fs/cgroup; __ is a slash."""
    texts = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in {"proc/self/cgroup": membership, **texts}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_version_2_gives_the_quota_of_its_own_group(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/app\n", **{"app/cpu.max": "150000 100000\n"})
    assert quotas(root) == [1.5]


def test_version_2_gives_the_quotas_of_all_groups_above(tmp_path: Path) -> None:
    files = {
        "cpu.max": "max 100000\n",
        "pod/cpu.max": "50000 100000\n",
        "pod/app/cpu.max": "400000 100000\n",
        "pod/other/cpu.max": "1000 100000\n",
    }
    assert quotas(machine(tmp_path, "0::/pod/app\n", **files)) == [4.0, 0.5]


@pytest.mark.parametrize("path", ["/", "/not/visible/here", "/../../pod-of-the-host"])
def test_a_namespace_shows_the_own_group_as_the_root(tmp_path: Path, path: str) -> None:
    root = machine(tmp_path, f"0::{path}\n", **{"cpu.max": "200000 100000\n"})
    assert quotas(root) == [2.0]


def test_version_1_gives_the_quotas_of_its_group_and_all_above(tmp_path: Path) -> None:
    files = {
        "cpu,cpuacct/kube/pod/cpu.cfs_quota_us": "250000\n",
        "cpu,cpuacct/kube/pod/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/kube/cpu.cfs_quota_us": "800000\n",
        "cpu,cpuacct/kube/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    assert quotas(machine(tmp_path, V1, **files)) == [2.5, 8.0]


def test_version_1_in_a_container_is_read_at_the_mount(tmp_path: Path) -> None:
    files = {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "50000\n"}
    assert quotas(machine(tmp_path, V1, **files)) == [2.0]


def test_both_versions_side_by_side_are_read(tmp_path: Path) -> None:
    files = {
        "cpu,cpuacct/cpu.cfs_quota_us": "300000\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "unified/app/cpu.max": "100000 100000\n",
    }
    assert sorted(quotas(machine(tmp_path, V1 + "0::/app\n", **files))) == [1.0, 3.0]


@pytest.mark.parametrize(
    "text", ["", "max 100000", "max", "x y", "1", "1 2 3", "-1 100000", "100000 0", "0 0", "\0\xff"]
)
def test_a_malformed_quota_is_no_quota(tmp_path: Path, text: str) -> None:
    assert quotas(machine(tmp_path, "0::/\n", **{"cpu.max": text})) == []


@pytest.mark.parametrize("text", ["", "nonsense\n", "0:\n", "0::relative\n", ":::\n", "x::/\n"])
def test_a_malformed_membership_is_none(tmp_path: Path, text: str) -> None:
    assert quotas(machine(tmp_path, text, **{"cpu.max": "1000 100000"})) == []


def test_where_nothing_is_mounted_the_affinity_counts(tmp_path: Path) -> None:
    assert available_parallelism(tmp_path) == len(os.sched_getaffinity(0))


def test_a_part_of_a_cpu_counts_as_one(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/\n", **{"cpu.max": "10000 100000"})
    assert available_parallelism(root) == 1


@pytest.mark.parametrize(
    ("affinity", "limits", "answer"),
    [(8, [], 8), (8, [2.5], 3), (2, [2.5], 2), (8, [4.0, 1.5], 2), (8, [0.1], 1), (0, [], 1)],
)
def test_the_tightest_limit_wins(affinity: int, limits: list[float], answer: int) -> None:
    assert tightest(affinity, limits) == answer


def test_this_machine_has_an_answer() -> None:
    assert 1 <= available_parallelism() <= (os.cpu_count() or 1)
