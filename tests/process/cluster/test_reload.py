"""A script's workers are replaced under load, and nobody notices."""

import signal

import pytest
from tests.process.cluster.conftest import RunCluster
from tests.support.load import Load
from tests.support.tidings import Plan

PRIMARY = """
cluster.policy = {policy!r}
for _ in range(2): cluster.fork()
cluster.on("listening", lambda worker, address: tell("listening", worker.id, address.port))
@cluster.on("exit")
def again(worker, code, signal):
    tell("exit", worker.id, code, signal, worker.exited_after_disconnect)
    if not worker.exited_after_disconnect:
        cluster.fork()
cluster.run()
"""

WORKER = """
async def handler(request):
    return str(os.getpid())
cluster.serve(handler, port=0)
"""


@pytest.mark.parametrize("policy", ["rr", "shared", "reuseport"])
def test_a_reload_of_a_script_loses_no_request(run_cluster: RunCluster, policy: str) -> None:
    made = run_cluster(PRIMARY.format(policy=policy), WORKER)
    port = made.wait_told("listening", count=2)[0][2]
    with Load(Plan(port=port, per_request=2, keep_alive=3, posting=1)) as load:
        made.signal(signal.SIGHUP)
        exits = made.wait_told("exit", count=2)
        report = load.report()
    assert report.failures == []
    assert sorted(line[1:] for line in exits) == [[id, 0, None, True] for id in (1, 2)]
    assert len({line[2] for line in made.told("listening")}) == 1
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
