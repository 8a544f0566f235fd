"""Where the files of this process's control groups are: cgroups(7)."""

from collections.abc import Iterator
from pathlib import Path

V1_MOUNTS = {  # below /sys/fs/cgroup, by controller and distribution
    "cpu": ("cpu", "cpu,cpuacct", "cpuacct,cpu"),
    "memory": ("memory",),
}
V2_MOUNTS = ("", "unified")  # the second where v1 and v2 are mounted side by side


def files(root: Path, controller: str, v2: str, v1: str) -> Iterator[Path]:
    """Give the file *v2*, or *v1*, of each group that this process is in, from its own upwards.

    *root* is where /proc and /sys are. Not all that are given exist.
    """
    mounts = root / "sys/fs/cgroup"
    for controllers, path in _memberships(text(root / "proc/self/cgroup")):
        if controllers == [""]:
            yield from (d / v2 for name in V2_MOUNTS for d in _upwards(mounts / name, path))
        elif controller in controllers:
            names = V1_MOUNTS[controller]
            yield from (d / v1 for name in names for d in _upwards(mounts / name, path))


def text(file: Path) -> str:
    """Read a file; empty where that can't be."""
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def _memberships(listed: str) -> Iterator[tuple[list[str], list[str]]]:
    """Read /proc/self/cgroup: controllers, [""] for version 2, and the parts of the path."""
    for line in listed.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number.isdigit() and path.startswith("/"):
            yield controllers.split(","), [p for p in path.split("/") if p not in ("", ".", "..")]


def _upwards(mount: Path, path: list[str]) -> Iterator[Path]:
    """The group's directory and all above it to the mount, which is the group itself where the
    container sees its own group as the root, or doesn't see the path at all."""
    for depth in range(len(path), -1, -1):
        yield mount.joinpath(*path[:depth])
