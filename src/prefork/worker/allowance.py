"""How much memory a process may allocate: setrlimit(2), RLIMIT_DATA."""

import resource
from pathlib import Path

from prefork import log

_STATUS = Path("/proc/self/status")


def allow(more: int) -> None:
    """Let this process have what it has now, and *more* bytes: beyond that is a MemoryError.

    RLIMIT_DATA counts what is private and may be written to, so neither what is shared with the
    template before it is written to counts anew, nor files that are mapped.
    """
    has = _data()
    if has is None:
        log.warning("memory_not_limited", reason="this system does not say how much is in use")
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = has + more
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data() -> int | None:
    """Bytes as the limit counts them; None: not Linux, or a sandbox."""
    try:
        status = _STATUS.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    kibibytes = [line.split()[1] for line in status.splitlines() if line.startswith("VmData:")]
    return int(kibibytes[0]) * 1024 if kibibytes else None
