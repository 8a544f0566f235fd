"""Renewed certificates: taken by a reload, and by nothing else; broken ones change nothing."""

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support import certificates
from tests.support.certificates import Files
from tests.support.program import Program, run
from tests.support.reloads import reload
from tests.support.secure import SecureCaller

WORKERS = 2


@pytest.fixture
def files(tmp_path: Path) -> Files:
    place = tmp_path / "certificates"
    place.mkdir()
    return certificates.write(place, "old")


def start(serve: Serve, files: Files, *options: str) -> Program:
    return serve("--workers", str(WORKERS), "--min-uptime", "0.2", *files.options, *options)


def servers(program: Program) -> set[str]:
    """Whose certificates new connections are shown, at every worker."""
    shown = set()
    for _ in range(4 * WORKERS):
        with closing(SecureCaller(program.port)) as caller:
            assert caller.ask("/pid").status == 200
            shown.add(caller.server)
    return shown


@pytest.mark.parametrize("preload", ["auto", "off"])
def test_a_reload_takes_the_new_certificate_and_old_connections_end_well(
    serve: Serve, files: Files, preload: str
) -> None:
    program = start(serve, files, "--preload", preload)
    with closing(SecureCaller(program.port)) as old:
        assert old.server == "old"
        old.send("/slow?seconds=1")
        program.journal.wait_for_line("app: slow")
        certificates.write(files.certfile.parent, "new")
        assert servers(program) == {"old"}  # nobody looks before he is told to
        assert reload(program)["state"] == "succeeded"
        assert servers(program) == {"new"}
        assert old.reply().status == 200


@pytest.mark.parametrize(
    ("fault", "preload"), [("garbage", "auto"), ("mismatch", "auto"), ("gone", "off")]
)
def test_a_broken_certificate_is_a_failed_reload_and_the_old_one_serves_on(
    serve: Serve, files: Files, preload: str, fault: str
) -> None:
    program = start(serve, files, "--preload", preload)
    pids = program.workers(WORKERS)
    if fault == "garbage":
        files.certfile.write_text("garbage\n")
    elif fault == "gone":
        files.certfile.unlink()
    else:
        key = files.keyfile.read_bytes()
        certificates.write(files.certfile.parent, "new")
        files.keyfile.write_bytes(key)
    outcome = run("reload", "shop", "--wait", home=program.home)
    assert outcome.code == 1, outcome
    told = outcome.err.splitlines()[-1]
    assert told.startswith("prefork: error: shop: the reload failed: --")
    assert "Traceback" not in outcome.err
    assert servers(program) == {"old"}
    assert program.workers(WORKERS) == pids
    certificates.write(files.certfile.parent, "newest")
    assert reload(program)["state"] == "succeeded"
    assert servers(program) == {"newest"}


def test_a_worker_that_dies_comes_back_with_the_certificate_of_its_generation(
    serve: Serve, files: Files
) -> None:
    program = start(serve, files, "--preload", "off")
    files.certfile.write_text("garbage\n")
    victim = program.workers(WORKERS)[0]
    os.kill(victim, signal.SIGKILL)
    program.settled(lambda s: victim not in [each["pid"] for each in s["workers"]])
    program.workers(WORKERS)
    assert servers(program) == {"old"}
