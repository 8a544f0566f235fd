"""The real program with an engine beside its own processes."""

import pytest
from tests.pool.rigs import cluster
from tests.process.conftest import Serve
from tests.support.asking import ask

APP = "tests.support.pooled:handler"


def test_tasks_run_in_threads_of_the_worker(serve: Serve) -> None:
    program = serve("--pool", "2", "--pool-engine", "threads", app=APP)
    [worker] = program.workers(1)
    assert ask(program.port, "/").body == str(worker).encode()
    assert ask(program.port, "/late").status == 500  # TaskTimeout
    assert ask(program.port, "/").status == 200
    assert not program.stats()["pool"]


@pytest.mark.alone
def test_tasks_run_on_a_dask_cluster(serve: Serve) -> None:
    program = serve("--pool", "1", "--pool-engine", f"dask://{cluster().address}", app=APP)
    workers = program.workers(1)
    answer = ask(program.port, "/")
    assert answer.status == 200
    assert int(answer.body) not in workers
    assert ask(program.port, "/late").status == 500
    assert ask(program.port, "/").status == 200
