"""What a server has written to its log, and when."""

from pathlib import Path

from tests.support.pacing import beats

PATIENCE = 20.0  # seconds


def await_word(log: Path, wanted: str, count: int = 1) -> str:
    """Read *log* until *count* lines have *wanted*; return the last of these."""
    for _ in beats(0.02, PATIENCE):
        lines = log.read_text(errors="replace").splitlines(keepends=True)
        found = [line for line in lines if wanted in line and line.endswith("\n")]
        if len(found) >= count:
            return found[count - 1].strip()
    raise TimeoutError(f"no {wanted!r} in {PATIENCE:.0f} s")
