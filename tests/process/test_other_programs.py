"""How long programs live that an application starts, as docs/howto/other-programs.md tells."""

import os
import signal

import pytest
from tests.process.conftest import Serve
from tests.support.asking import ask
from tests.support.processes import Watch

APP = "tests.support.starter:handler"


@pytest.mark.parametrize("end", ["crash", "reload"])
def test_a_program_ends_with_its_worker_unless_it_has_a_session_of_its_own(
    serve: Serve, end: str
) -> None:
    program = serve("--workers", "1", app=APP)
    [worker] = program.workers(1)
    mine, apart = (ask(program.port, path).pid for path in ("/mine", "/apart"))
    try:
        with Watch([mine]) as ending, Watch([apart]) as living, Watch([worker]) as old:
            if end == "crash":
                os.kill(worker, signal.SIGKILL)
            else:
                program.signal(signal.SIGHUP)
            assert old.left(20) == []
            assert ending.left(20) == []
            assert living.left(0.2) == [apart]
    finally:
        os.kill(apart, signal.SIGKILL)
