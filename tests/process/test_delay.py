"""Far-away clients, 50 ms each way: what is under way when the number of workers changes."""

from collections.abc import Iterator

import pytest
from tests.process.conftest import Serve
from tests.process.test_scale import GRACE, scale
from tests.support import pacing
from tests.support.distance import HERE, THERE, distance, obstacle
from tests.support.load import Load
from tests.support.policies import chiefly
from tests.support.tidings import Plan

WAY = 0.05  # seconds


@pytest.fixture
def far() -> Iterator[str]:
    """Give the pid of a process in whose network HERE is far from THERE."""
    if why := obstacle():
        pytest.skip(why)
    with distance(WAY) as pid:
        yield str(pid)


@pytest.mark.parametrize(
    "steps", [(2, 6, 2), pytest.param((4, 2, 6, 2) * 4, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("policy", chiefly("least", "reuseport"))
def test_scaling_loses_nobody_who_is_far_away(
    serve: Serve, far: str, policy: str, steps: tuple[int, ...]
) -> None:
    options = ("--workers", "4", "--policy", policy, "--graceful-timeout", str(GRACE))
    program = serve(
        *options, "--bind", f"{HERE}:0", entry=("-m", "tests.support.within", far, "prefork")
    )
    plan = Plan(port=program.port, apart=0.005, keep_alive=16, posting=16, pause=0.005)
    with Load(
        plan, entry=("-m", "tests.support.within", far, "tests.support.clients", THERE)
    ) as load:
        for count in steps:
            scale(program, str(count), count)
            pacing.hold(0.3)
        report = load.report()
    assert report.failures == []
    assert report.served > 100 * len(steps)  # the load was one
    assert report.slowest >= 4 * WAY  # there and back for the handshake, and for the answer
