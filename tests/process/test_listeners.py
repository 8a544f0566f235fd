"""Listeners that scripts' workers ask for: connections of an address find who serves it."""

import errno
import signal
import socket
from collections import Counter
from contextlib import ExitStack

import pytest
from tests.process.conftest import RunScript
from tests.support.asking import ask
from tests.support.policies import POLICIES, chiefly

LIMITED = """
from prefork import cluster
if cluster.is_primary:
    for limit in (0, 1, 9):
        cluster.fork({"LIMIT": str(limit)})
    cluster.on("listening", lambda worker, address: tell("listening", address.port))
    cluster.run()
else:
    limit = os.environ["LIMIT"]
    async def handler(request):
        return limit
    cluster.serve(handler, port=0, max_connections=int(limit))
"""


@pytest.mark.parametrize("policy", POLICIES)
def test_limits_0_1_9_over_10_connections_land_0_1_9(script: RunScript, policy: str) -> None:
    made = script(LIMITED, env={"PREFORK_POLICY": policy})
    port = made.wait_told("listening", count=3)[0][1]
    assert answers(port, 10) == {b"1": 1, b"9": 9}


LIMITED_BESIDE = """
from prefork import cluster
if cluster.is_primary:
    for limit in (1, 9):
        cluster.fork({"LIMIT": str(limit)})
    cluster.on("listening", lambda worker, address: tell("listening", worker.id, address.port))
    cluster.run()
else:
    limit = os.environ["LIMIT"]
    async def handler(request):
        return limit
    async def main():
        await cluster.listen(handler, port=0, max_connections=int(limit))
        await cluster.listen(handler, port=0)
    cluster.run(main)
"""


@pytest.mark.parametrize("policy", chiefly("least", "shared"))
def test_a_server_that_is_full_leaves_its_connections_to_others_and_tells_nobody(
    script: RunScript, policy: str
) -> None:
    """Beside a server without a limit, so that the worker itself is never full."""
    made = script(LIMITED_BESIDE, env={"PREFORK_POLICY": policy})
    told = made.wait_told("listening", count=4)
    full = told[0][2]
    for _ in range(3):
        assert answers(full, 10) == {b"1": 1, b"9": 9}
    assert len(made.told("listening")) == 4


def test_where_a_scripts_workers_listen_is_told(script: RunScript) -> None:
    made = script(LIMITED)
    port = made.wait_told("listening", count=3)[0][1]
    [ready] = made.journal.wait_for("ready")
    assert ready["bind"] == [f"127.0.0.1:{port}"]


def answers(port: int, count: int) -> Counter[bytes]:
    """Open so many connections at the same time; how many were answered by whom."""
    with ExitStack() as opened:
        clients = [
            opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            for _ in range(count)
        ]
        for each in clients:
            each.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        found = Counter(each.recv(1000).rpartition(b"\r\n\r\n")[2] for each in clients)
        for each in clients:
            each.shutdown(socket.SHUT_WR)
        for each in clients:
            assert each.recv(1) == b"", "the worker has closed it, too"
    return found


CLOSING = """
import asyncio
from prefork import cluster
if cluster.is_primary:
    for number in range(int(sys.argv[1])):
        cluster.fork({"CLOSES": "yes" if number == 0 else ""})
    cluster.on("listening", lambda worker, address: tell("listening", address.port))
    cluster.run()
else:
    async def handler(request):
        return str(os.getpid())
    async def main():
        serving = await cluster.listen(handler, port=0)
        for times in range(1, 10**6 if os.environ["CLOSES"] else 0):
            await asyncio.sleep(0.01)
            await serving.close()
            tell("closed", times)
            serving = await cluster.listen(handler, port=serving.port)
    cluster.run(main)
"""
CLOSES = 40


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("policy", chiefly("rr", "shared", "reuseport"))
def test_a_connection_that_comes_while_its_server_closes_is_not_leaked(
    script: RunScript, policy: str, workers: int
) -> None:
    made = script(CLOSING, str(workers), env={"PREFORK_POLICY": policy})
    port = made.wait_told("listening", count=workers)[0][1]
    pids = set()
    while len(made.told("closed")) < CLOSES:
        reply = ask(port, "/")
        assert reply.status == 200
        pids.add(reply.body)
    assert len(pids) == workers or policy not in ("rr", "reuseport")  # others need not alternate
    made.signal(signal.SIGTERM)
    assert made.wait() == 0


TAKEN = """
import asyncio
from prefork import cluster
if cluster.is_primary:
    cluster.fork()
    cluster.on("listening", lambda worker, address: tell("listening", address.port))
    cluster.run()
else:
    async def handler(request):
        return sys.argv[2]
    async def main():
        while True:
            try:
                return await cluster.listen(handler, port=int(sys.argv[1]))
            except OSError as error:
                tell("refused", error.errno)
                await asyncio.sleep(0.05)
    cluster.run(main)
"""


@pytest.mark.parametrize("policy", chiefly("hash", "reuseport"))
def test_of_two_clusters_on_one_port_the_second_gets_eaddrinuse_and_may_try_again(
    script: RunScript, policy: str
) -> None:
    first = script(TAKEN, "0", "first", env={"PREFORK_POLICY": policy})
    port = first.wait_told("listening")[0][1]
    second = script(TAKEN, str(port), "second", env={"PREFORK_POLICY": policy})
    assert second.wait_told("refused", count=2)[0][1] == errno.EADDRINUSE
    assert ask(port, "/").body == b"first"
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    assert second.wait_told("listening")[0][1] == port
    assert ask(port, "/").body == b"second"
