"""Scripts as Node's own tests of `cluster` have them: primary and workers in one file."""

import textwrap
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
from tests.support.script import Script


class RunCluster(Protocol):
    """Run a script whose primary and workers do this; it ends with the test."""

    def __call__(
        self,
        primary: str,
        worker: str = ...,
        *arguments: str,
        env: Mapping[str, str] | None = ...,
    ) -> Script: ...


@pytest.fixture(params=["rr", "shared"])
def policy(request: pytest.FixtureRequest) -> str:
    """Who accepts: the primary, as Node's SCHED_RR has it, or the workers, as SCHED_NONE."""
    return str(request.param)


SERVING = """
async def handler(request):
    return f"{os.getpid()} {request.path}"
cluster.serve(handler, port=0)
"""

SCRIPT = """
import asyncio, signal
from prefork import cluster
if cluster.is_primary:
{primary}
else:
{worker}
"""


@pytest.fixture
def run_cluster(tmp_path: Path) -> Iterator[RunCluster]:
    with ExitStack() as running:

        def start(
            primary: str,
            worker: str = SERVING,
            *arguments: str,
            env: Mapping[str, str] | None = None,
        ) -> Script:
            home = tmp_path / f"home{len(list(tmp_path.iterdir()))}"
            home.mkdir(mode=0o700)
            parts = [textwrap.indent(textwrap.dedent(part), "    ") for part in (primary, worker)]
            source = SCRIPT.format(primary=parts[0], worker=parts[1])
            made = Script(source, home, *arguments, env=env)
            running.callback(made.close)
            return made

        yield start
