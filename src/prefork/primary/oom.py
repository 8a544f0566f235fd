"""Whether the kernel has killed for want of memory: what an exit by SIGKILL alone doesn't say."""

from pathlib import Path

from prefork.settings import cgroup

# Documentation/admin-guide/cgroup-v2.rst; cgroup-v1/memory.rst; the whole machine's.
V2, V1, MACHINE = "memory.events", "memory.oom_control", "proc/vmstat"
KILLS = "oom_kill "


class OutOfMemory:
    """Kills are counted by the kernel, for our cgroup where we have one, but not told of by pid."""

    def __init__(self, root: Path = Path("/")) -> None:
        """*root*: where /proc and /sys are."""
        self._files = [*cgroup.files(root, "memory", V2, V1), root / MACHINE]
        self._known = self._count()
        self._unexplained = 0

    def has_struck(self) -> bool:
        """Whether a death may be one of them; each is given out once."""
        count = self._count()
        self._unexplained += max(0, count - self._known)
        self._known = count
        if not self._unexplained:
            return False
        self._unexplained -= 1
        return True

    def _count(self) -> int:
        """As the first of the files that there are says it."""
        for file in self._files:
            for line in cgroup.text(file).splitlines():
                if line.startswith(KILLS):
                    return int(line.removeprefix(KILLS))
        return 0
