"""The scripts that the pages about the cluster show run, and end when told to."""

import signal
import stat
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


def test_a_proxy_of_another_user_can_connect_to_the_sticky_pages_sockets(
    script: RunScript, tmp_path: Path
) -> None:
    [source] = [each for each in blocks(HOWTO / "sticky-sessions.md", "python") if "fork" in each]
    assert "/run/shop/" in source
    made = script(source.replace("/run/shop", str(tmp_path)))
    made.journal.wait_for("worker_ready", count=3)
    for slot in range(3):
        assert stat.S_IMODE((tmp_path / f"{slot}.sock").stat().st_mode) == 0o666
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
