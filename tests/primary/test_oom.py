from pathlib import Path

import pytest

from prefork.primary.oom import OutOfMemory

V2 = "0::/pod\n"
V1 = "4:memory:/pod\n3:cpu,cpuacct:/pod\n"


class Machine:
    """A root directory with the kernel's count in one of its files."""

    def __init__(self, root: Path, membership: str, name: str) -> None:
        (root / "proc/self").mkdir(parents=True)
        (root / "proc/self/cgroup").write_text(membership)
        self.root = root
        self._file = root / name
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self.count(3)

    def count(self, kills: int) -> None:
        self._file.write_text(f"oom 7\noom_kill {kills}\noom_group_kill 9\n")


@pytest.mark.parametrize(
    ("membership", "name"),
    [
        (V2, "sys/fs/cgroup/pod/memory.events"),
        (V2, "sys/fs/cgroup/memory.events"),  # a container that sees its own group as the root
        (V1, "sys/fs/cgroup/memory/pod/memory.oom_control"),
        ("", "proc/vmstat"),
    ],
)
def test_a_kill_is_told_once(tmp_path: Path, membership: str, name: str) -> None:
    machine = Machine(tmp_path, membership, name)
    oom = OutOfMemory(machine.root)
    assert not oom.has_struck()  # what was before us is not ours
    machine.count(4)
    assert oom.has_struck()
    assert not oom.has_struck()


def test_two_that_were_killed_together_are_both_explained(tmp_path: Path) -> None:
    machine = Machine(tmp_path, V2, "sys/fs/cgroup/pod/memory.events")
    oom = OutOfMemory(machine.root)
    machine.count(5)
    assert [oom.has_struck() for _ in range(3)] == [True, True, False]


def test_where_nothing_is_counted_nothing_is_claimed(tmp_path: Path) -> None:
    assert not OutOfMemory(tmp_path).has_struck()
