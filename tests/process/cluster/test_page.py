"""Every script that docs/howto/from-node-cluster.md shows runs, and ends when told to."""

import signal
from pathlib import Path

import pytest
from tests.docs.pages import HOWTO, blocks
from tests.process.conftest import RunScript

PAGE = HOWTO / "from-node-cluster.md"
SCRIPTS = blocks(PAGE, "python")


def test_the_page_shows_scripts() -> None:
    assert len(SCRIPTS) >= 5


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_a_script_of_the_page_runs(script: RunScript, number: int, tmp_path: Path) -> None:
    source = SCRIPTS[number].replace("port=8000", "port=0").replace(":8000", ":0")
    if '"app:handler"' in source:
        (tmp_path / "app.py").write_text("async def handler(request): return 'x'\n")
        source = source.replace("workers=", f"app_dir={str(tmp_path)!r}, workers=")
    made = script(source)
    made.journal.wait_for("worker_ready")
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
    assert "Traceback" not in made.journal.text
    assert "handler_failed" not in made.journal.text
