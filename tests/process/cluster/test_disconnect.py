"""How workers of a script disconnect: asked by the primary, by themselves, all at once."""

import http.client
import os
import select

import pytest
from tests.process.cluster.conftest import SERVING, RunCluster
from tests.process.cluster.test_lives import WATCH
from tests.support import processes
from tests.support.asking import ask


def test_disconnect_events_on_both_sides_waits_for_open_connections(
    run_cluster: RunCluster, policy: str
) -> None:
    made = run_cluster(
        WATCH
        + f"""
cluster.policy = {policy!r}
worker = cluster.fork()
cluster.on("listening", lambda worker, address: tell("address", address.port))
worker.on("message", lambda message: worker.disconnect())
cluster.on("exit", lambda: cluster.disconnect())
cluster.run()
""",
        """
        async def handler(request):
            cluster.worker.send("begun")
            await asyncio.sleep(0.5)
            tell("answered")
            return "done"
        cluster.worker.on_disconnect(lambda: tell("told"))
        cluster.serve(handler, port=0)
        tell("left")
        """,
    )
    [[_, port]] = made.wait_told("address")
    assert ask(port, "/").status == 200
    assert made.wait() == 0
    names = [line[0] for line in made.told()]
    assert names.index("told") < names.index("answered") < names.index("left")
    assert names.index("answered") < names.index("disconnect") < names.index("exit")
    assert made.told("exit") == [["exit", 1, 0, None, True, []]]


def test_a_worker_with_a_live_connection_doesnt_exit_on_disconnect_until_it_ends(
    run_cluster: RunCluster, policy: str
) -> None:
    made = run_cluster(
        WATCH
        + f"""
cluster.policy = {policy!r}
worker = cluster.fork()
cluster.on("listening", lambda worker, address: tell("address", address.port))
worker.on("message", lambda message: worker.disconnect())
cluster.on("exit", lambda: cluster.disconnect())
cluster.run()
""",
        """
        async def handler(scope, receive, send):
            cluster.worker.send("begun")
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(20):
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                await asyncio.sleep(0.1)
            tell("answered")
            await send({"type": "http.response.body", "body": b"."})
        async def app(scope, receive, send):
            if scope["type"] == "http":
                await handler(scope, receive, send)
        cluster.serve(app, port=0)
        """,
    )
    [[_, port]] = made.wait_told("address")
    assert ask(port, "/").body == b"x" * 20 + b"."
    assert made.wait() == 0
    names = [line[0] for line in made.told()]
    assert names.index("answered") < names.index("disconnect") < names.index("exit")
    assert made.told("exit") == [["exit", 1, 0, None, True, []]]


def test_worker_initiated_disconnect_waits_for_the_primarys_acknowledgement(
    run_cluster: RunCluster,
) -> None:
    """So the flag is set before the exit."""
    made = run_cluster(
        WATCH + "for _ in range(8): cluster.fork()\ncluster.run()",
        """
        async def nothing(request): return "x"
        async def main():
            await cluster.listen(nothing, port=0)
            await cluster.disconnect()
            os._exit(0)
        cluster.run(main)
        """,
    )
    exits = made.wait_told("exit", count=8)
    assert {tuple(line[2:5]) for line in exits} == {(0, None, True)}


def test_concurrent_disconnect_and_destroy_from_many_workers_all_exit_0(
    run_cluster: RunCluster, policy: str
) -> None:
    made = run_cluster(
        WATCH
        + f"""
cluster.policy = {policy!r}
workers = [cluster.fork() for _ in range(8)]
seen = []
@cluster.on("listening")
def all_go(worker):
    seen.append(worker)
    if len(seen) == 8:
        for each in workers:
            each.disconnect()
        for each in workers[::2]:
            each.kill(signal.SIGTERM)
cluster.run()
""",
        SERVING,
    )
    exits = made.wait_told("exit", count=8)
    assert {tuple(line[2:5]) for line in exits} == {(0, None, True)}


def test_kill_after_disconnect_is_safe(run_cluster: RunCluster) -> None:
    made = run_cluster(
        WATCH
        + """
worker = cluster.fork()
@cluster.on("listening")
def go(worker):
    worker.disconnect()
    worker.kill(signal.SIGTERM)
    worker.kill()
@cluster.on("exit")
def again(worker):
    worker.kill()
    worker.disconnect()
    tell("sent", worker.send("x"), worker.is_dead(), worker.is_connected())
    cluster.disconnect()
cluster.run()
"""
    )
    assert made.wait() in (0, 6)  # its kill may have cut something
    [exited] = made.told("exit")
    assert exited[1] == 1
    assert exited[4] is True
    assert made.told("sent") == [["sent", False, True, False]]


@pytest.mark.parametrize("count", [0, 2], ids=["no-workers", "idle"])
def test_disconnect_with_idle_or_with_no_workers_still_completes_asynchronously(
    run_cluster: RunCluster, count: int
) -> None:
    made = run_cluster(
        WATCH
        + f"""
for _ in range({count}): cluster.fork()
def go():
    cluster.disconnect(lambda: tell("done", list(cluster.workers)))
    tell("asked")
if {count}:
    cluster.on("listening", lambda: go() if all(
        each.state == "listening" for each in cluster.workers.values()) else None)
else:
    go()
cluster.run()
tell("end")
"""
    )
    assert made.wait() == 0
    names = [line[0] for line in made.told()]
    assert names.count("done") == 1
    assert names.index("asked") < names.index("done")
    assert made.told("done") == [["done", []]]
    assert names[-1] == "end"


def test_a_disconnect_that_a_stop_overtakes_completes_and_one_whose_callback_fails_too(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        """
        def fail():
            tell("failing")
            raise KeyError("mine")
        @cluster.on("listening")
        def go():
            cluster.disconnect(fail)
            cluster.disconnect(lambda: tell("done", list(cluster.workers)))
            os.kill(os.getpid(), signal.SIGTERM)
        cluster.fork()
        cluster.run()
        tell("end")
        """
    )
    assert made.wait() == 0
    assert made.told() == [["failing"], ["done", []], ["end"]]
    assert "handler_failed" in made.journal.text


@pytest.mark.parametrize(
    ("workers", "rounds"), [(3, 3), pytest.param(8, 4, marks=pytest.mark.slow)]
)
def test_workers_x_2_servers_disconnect_restart_everything_no_handle_leaked(
    run_cluster: RunCluster, policy: str, workers: int, rounds: int
) -> None:
    made = run_cluster(
        f"""
        cluster.policy = {policy!r}
        rounds = [0]
        listening = [0]
        def start():
            listening[0] = 0
            for _ in range({workers}): cluster.fork()
        @cluster.on("listening")
        def note(worker):
            listening[0] += 1
            if listening[0] == {2 * workers}:
                tell("open", len(os.listdir("/proc/self/fd")))
                cluster.disconnect(again)
        def again():
            tell("closed", len(os.listdir("/proc/self/fd")), len(cluster.workers))
            rounds[0] += 1
            if rounds[0] < {rounds}: start()
        start()
        cluster.run()
        """,
        """
        async def handler(request): return "x"
        async def main():
            await cluster.listen(handler, port=0)
            await cluster.listen(handler, port=0)
        cluster.run(main)
        """,
    )
    assert made.wait(120) == 0
    assert len(made.told("open")) == len(made.told("closed")) == rounds
    assert len({line[1] for line in made.told("closed")}) == 1
    assert len({line[1] for line in made.told("open")[1:]}) == 1
    assert {line[2] for line in made.told("closed")} == {0}


def test_disconnect_racing_a_bind_or_a_fork(run_cluster: RunCluster, policy: str) -> None:
    made = run_cluster(
        WATCH
        + f"""
cluster.policy = {policy!r}
for number in range(6):
    cluster.fork()
def go():
    cluster.fork()
    cluster.disconnect(lambda: tell("done"))
    cluster.fork()
    cluster.call_later(2, lambda: cluster.disconnect(lambda: tell("last")))
cluster.on("online", lambda: go() if not made.append(1) and len(made) == 3 else None)
made = []
cluster.run()
"""
    )
    assert made.wait(60) == 0
    assert made.told("done")
    assert made.told("last")
    exits = made.told("exit")
    assert len(exits) == 8
    assert {line[4] for line in exits} == {True}
    assert not made.leftovers()


def test_send_after_close_error_false(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        worker = cluster.fork()
        worker.on("disconnect", lambda: tell("sent", worker.send("late")))
        worker.on("exit", lambda: worker.request("late", 1, lambda reply, error:
            tell("asked", reply, type(error).__name__)))
        cluster.run()
        """,
        "cluster.worker.send('hello')",
    )
    assert made.wait() == 0
    assert made.told("sent") == [["sent", False]]
    assert made.told("asked") == [["asked", None, "RequestError"]]


def test_in_flight_work_is_answered_with_connection_close(
    run_cluster: RunCluster, policy: str
) -> None:
    made = run_cluster(
        WATCH
        + f"""
cluster.policy = {policy!r}
worker = cluster.fork()
cluster.on("listening", lambda worker, address: tell("address", address.port))
worker.on("message", lambda message: cluster.disconnect())
cluster.run()
""",
        """
        async def handler(request):
            cluster.worker.send("begun")
            await asyncio.sleep(0.3)
            return "done"
        cluster.serve(handler, port=0)
        """,
    )
    [[_, port]] = made.wait_told("address")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/")
    reply = connection.getresponse()
    assert (reply.read(), reply.getheader("connection")) == (b"done", "close")
    assert made.wait() == 0
    connection.close()


def test_a_wedged_worker_goes_with_its_primary(run_cluster: RunCluster) -> None:
    made = run_cluster(
        WATCH + "cluster.fork()\ncluster.run()",
        "tell('pid', os.getpid())\nwhile True: pass",
    )
    [[_, pid]] = made.wait_told("pid")
    handle = os.pidfd_open(pid)
    with processes.Watch([pid]) as watch:
        os.kill(made.pid, 9)
        assert watch.left(timeout=20) == []
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    assert poll.poll(0)
    os.close(handle)


def test_a_program_that_ends_by_disconnect_tells_that_requests_were_cut(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        """
        cluster.setup_primary(graceful_timeout=0.2)
        cluster.on("listening", lambda worker, address: tell("port", address.port))
        cluster.on("message", lambda worker, message: cluster.disconnect())
        cluster.fork()
        cluster.run()
        """,
        """
        async def handler(request):
            cluster.worker.send("asked")
            await asyncio.sleep(60)
        cluster.serve(handler, port=0)
        """,
    )
    [[_, port]] = made.wait_told("port")
    ask(port, "/")
    assert made.wait() == 6
