"""What a server has written to its log, and when."""

from pathlib import Path

from tests.support.pacing import beats

PATIENCE = 20.0  # seconds


def await_word(log: Path, wanted: str) -> str:
    """Read *log* until a line has *wanted*; return that line."""
    for _ in beats(0.02, PATIENCE):
        for line in log.read_text(errors="replace").splitlines(keepends=True):
            if wanted in line and line.endswith("\n"):
                return line.strip()
    raise TimeoutError(f"no {wanted!r} in {PATIENCE:.0f} s")
