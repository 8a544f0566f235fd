"""On what workers of a script listen: at several addresses, again, and what is refused."""

import os
import re
import signal
import socket
import stat
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tests.process.cluster.conftest import RunCluster
from tests.process.test_bad_input import open_to_all
from tests.support.asking import Caller, ask
from tests.support.load import Load
from tests.support.script import Script
from tests.support.tidings import Plan

from prefork.errors import ExitCode

# Tells of all that befalls the workers.
PRIMARY = """
cluster.policy = {policy!r}
for _ in range({workers}): cluster.fork()
@cluster.on("listening")
def note_listening(worker, address):
    tell("listening", worker.id, address.host, address.port, address.path)
@cluster.on("exit")
def note_exit(worker, code, signal):
    tell("exit", worker.id, code, signal, worker.exited_after_disconnect)
cluster.run()
"""


def primary(policy: str, workers: int = 1) -> str:
    return PRIMARY.format(policy=policy, workers=workers)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def ask_by(family: int, address: object) -> bytes:
    """Ask once at an address of any family; return the whole answer."""
    with socket.socket(family) as sock:
        sock.settimeout(10)
        sock.connect(address)  # type: ignore[arg-type]
        sock.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        with sock.makefile("rb") as stream:
            return stream.read()


@pytest.mark.parametrize("policy", ["rr", "hash", "shared", "reuseport"])
def test_close_and_listen_again_on_the_same_port_in_one_worker_while_another_serves(
    run_cluster: RunCluster, policy: str
) -> None:
    """Connections that come meanwhile are all answered, by one or the other."""
    port = free_port()
    made = run_cluster(
        primary(policy, 2),
        """
        async def handler(request):
            return str(os.getpid())
        async def main():
            serving = await cluster.listen(handler, port=int(os.environ["PORT"]))
            tell("pid", os.getpid())
            if cluster.worker.slot == 1:
                return
            go = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, go.set)
            tell("waits", os.getpid())
            await go.wait()
            for number in range(20):
                await serving.close()
                await asyncio.sleep(0.02)
                serving = await cluster.listen(handler, port=serving.port)
                await asyncio.sleep(0.02)
            tell("done", serving.address)
        cluster.run(main)
        """,
        env={"PORT": str(port)},
    )
    pids = {line[1] for line in made.wait_told("pid", count=2)}
    [[_, pid]] = made.wait_told("waits")
    with Load(Plan(port=port, per_request=6, keep_alive=2, posting=2)) as load:
        os.kill(pid, signal.SIGUSR1)
        assert made.wait_told("done") == [["done", f"127.0.0.1:{port}"]]
        report = load.report()
    assert report.failures == []
    assert {each.pid for each in report.answers} == pids


def test_closing_a_server_finishes_what_it_has_and_leaves_the_others_alone(
    run_cluster: RunCluster, policy: str
) -> None:
    made = run_cluster(
        primary(policy),
        """
        async def main():
            go, closed = asyncio.Event(), asyncio.Event()
            async def slow(request):
                tell("begun")
                await go.wait()
                return "1 slow"
            async def control(request):
                if request.path == "/close":
                    asyncio.create_task(close())
                if request.path == "/go":
                    go.set()
                    await closed.wait()
                return "1 control"
            async def close():
                await one.close()
                closed.set()
                tell("closed")
            one = await cluster.listen(slow, port=0)
            two = await cluster.listen(control, port=0)
            tell("ports", one.port, two.port)
        cluster.run(main)
        """,
    )
    [[_, slow, control]] = made.wait_told("ports")
    with closing(Caller(slow)) as caller:
        caller.send("/")
        made.wait_told("begun")
        assert ask(control, "/close").mark == "control"
        assert ask(control, "/").mark == "control"
        assert not made.told("closed")
        assert ask(control, "/go").mark == "control"
        reply = caller.reply()
        assert (reply.mark, reply.headers["connection"]) == ("slow", "close")
    made.wait_told("closed")


def test_two_port_0_listeners_in_one_worker_are_not_confused_and_workers_share_the_kth(
    run_cluster: RunCluster, policy: str
) -> None:
    made = run_cluster(
        primary(policy, 2),
        """
        async def first(request): return f"{cluster.worker.id} first"
        async def second(request): return f"{cluster.worker.id} second"
        async def main():
            one = await cluster.listen(first, port=0)
            two = await cluster.listen(second, port=0)
            tell("ports", one.port, two.port)
        cluster.run(main)
        """,
    )
    ports, others = [line[1:] for line in made.wait_told("ports", count=2)]
    assert ports == others
    assert ports[0] != ports[1]
    made.wait_told("listening", count=4)
    for port, name in zip(ports, ("first", "second"), strict=True):
        replies = [ask(port, "/") for _ in range(20)]
        assert {reply.mark for reply in replies} == {name}
        if policy == "rr":
            assert {reply.pid for reply in replies} == {1, 2}


def test_every_kind_of_application_is_served_each_with_its_own_lifespan(
    run_cluster: RunCluster, policy: str
) -> None:
    made = run_cluster(
        primary(policy),
        """
        class App:
            def __init__(self, name): self.name = name
            async def __call__(self, scope, receive, send):
                if scope["type"] == "lifespan":
                    while True:
                        kind = (await receive())["type"]
                        scope["state"]["name"] = self.name
                        tell("lifespan", self.name, kind)
                        await send({"type": kind + ".complete"})
                        if kind == "lifespan.shutdown":
                            return
                await send({"type": "http.response.start", "status": 200, "headers": []})
                body = b"1 " + scope["state"]["name"].encode()
                await send({"type": "http.response.body", "body": body})
        def wsgi(environ, start_response):
            start_response("200 OK", [])
            return [b"1 wsgi"]
        async def handler(request): return "1 handler"
        async def main():
            every = [App("one"), App("two"), wsgi, handler]
            tell("ports", *[(await cluster.listen(each)).port for each in every])
        cluster.run(main)
        """,
    )
    [[_, *ports]] = made.wait_told("ports")
    assert [ask(port, "/").mark for port in ports] == ["one", "two", "wsgi", "handler"]
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
    assert sorted(line[1:] for line in made.told("lifespan")) == [
        [name, f"lifespan.{kind}"] for name in ("one", "two") for kind in ("shutdown", "startup")
    ]
    assert [line[2:] for line in made.told("exit")] == [[0, None, True]]


def test_bind_errors_reach_the_worker_as_an_exception_and_it_may_retry(
    run_cluster: RunCluster, policy: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        made = run_cluster(
            primary(policy),
            """
            import errno
            async def handler(request): return "1 x"
            async def main():
                port = int(os.environ["PORT"])
                for where in ({"port": port}, {"host": "192.0.2.1"}, {"path": "no/such"},
                              {"backlog": -1}, {"port": 70000}):
                    try:
                        await cluster.listen(handler, **where)
                    except OSError as error:
                        tell("refused", errno.errorcode[error.errno], error.strerror)
                tell("refused", "all")
                while True:
                    try:
                        serving = await cluster.listen(handler, port=port)
                        break
                    except OSError:
                        await asyncio.sleep(0.05)
                tell("serves", serving.port, serving.address)
            cluster.run(main)
            """,
            env={"PORT": str(port)},
        )
        refused = [line[1:] for line in made.wait_told("refused", count=6)]
        names = ["EADDRINUSE", "EADDRNOTAVAIL", "ENOENT", "EINVAL", "EINVAL", "all"]
        assert [each[0] for each in refused] == names
        assert refused[0][1] == os.strerror(98)
        assert not made.told("listening")
    assert made.wait_told("serves") == [["serves", port, f"127.0.0.1:{port}"]]
    assert ask(port, "/").status == 200


@pytest.mark.parametrize("ipv6_only", [False, True], ids=["dual", "only"])
def test_ipv6only_both_ways(run_cluster: RunCluster, policy: str, ipv6_only: bool) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    made = run_cluster(
        primary(policy),
        f"""
        async def handler(request): return "1 x"
        cluster.serve(handler, host="::", port=0, ipv6_only={ipv6_only})
        """,
    )
    [[_, _, host, port, _]] = made.wait_told("listening")
    assert host in ("::", "[::]")
    assert ask_by(socket.AF_INET6, ("::1", port)).endswith(b"1 x")
    if ipv6_only:
        with pytest.raises(ConnectionRefusedError):
            ask_by(socket.AF_INET, ("127.0.0.1", port))
    else:
        assert ask_by(socket.AF_INET, ("127.0.0.1", port)).endswith(b"1 x")


def test_a_unix_socket_with_a_long_relative_path_and_a_mode_whose_file_goes_at_the_end(
    run_cluster: RunCluster, policy: str
) -> None:
    directory = "d" * 120
    made = run_cluster(
        f"os.mkdir({directory!r})\n"
        + primary(policy).replace("for", f"cluster.setup_primary(cwd={directory!r})\nfor", 1)
        + "\ntell('end')",
        """
        async def handler(request): return "1 x"
        cluster.serve(handler, path="sock", mode=0o620)
        """,
    )
    [[*_, path]] = made.wait_told("listening")
    assert path.endswith(f"/{directory}/sock")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o620
    descriptor = os.open(os.path.dirname(path), os.O_PATH)
    assert ask_by(socket.AF_UNIX, f"/proc/self/fd/{descriptor}/sock").endswith(b"1 x")
    os.close(descriptor)
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
    assert not os.path.exists(path)


def test_an_event_loop_of_the_users_own_serves_drains_and_ends_with_the_worker(
    run_cluster: RunCluster, policy: str
) -> None:
    """Whether its main waits for that, or for something that never comes."""
    made = run_cluster(
        primary(policy, 2),
        """
        async def handler(request):
            tell("begun")
            await asyncio.sleep(0.5)
            cluster.worker.send("x")
            return f"{cluster.worker.id} x"
        async def main():
            await cluster.listen(handler, port=0)
            if cluster.worker.slot == 0:
                await cluster.wait()
                tell("waited")
            else:
                await asyncio.Event().wait()
        asyncio.run(main())
        """,
    )
    (line, _) = made.wait_told("listening", count=2)
    port = line[3]
    callers = [Caller(port, number) for number in range(4)]
    for each in callers:
        each.send("/")
    made.wait_told("begun", count=4)
    made.signal(signal.SIGTERM)
    for each in callers:
        assert each.reply().headers["connection"] == "close"
        each.close()
    assert made.wait() == 0
    assert {tuple(line[2:]) for line in made.told("exit")} == {(0, None, True)}
    made.wait_told("waited")


def test_a_worker_whose_event_loop_has_ended_leaves_its_address_to_others_and_is_not_blocked(
    run_cluster: RunCluster, policy: str
) -> None:
    made = run_cluster(
        primary(policy, 2),
        """
        import threading
        async def handler(request): return f"{cluster.worker.id} x"
        async def main():
            serving = await cluster.listen(handler, port=0)
            if cluster.worker.slot == 1:
                await cluster.wait()
            await asyncio.sleep(0.1)
        asyncio.run(main())
        if cluster.worker.slot == 0:
            tell("ended")
            threading.Event().wait(4)
            tell("finished")
        """,
        env={"PREFORK_BLOCK_WARN": "1.1", "PREFORK_WORKER_TIMEOUT": "2"},
    )
    line, _ = made.wait_told("listening", count=2)
    made.wait_told("ended")
    assert {ask(line[3], "/").pid for _ in range(20)} == {2}
    assert made.wait_told("exit") == [["exit", 1, 0, None, False]]
    assert made.told("finished")
    assert "worker_stuck" not in made.journal.text


def test_a_port_that_is_not_permitted_is_refused_and_another_may_be_had(
    tmp_path: Path, nobody: Sequence[str]
) -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if lowest < 2:
        pytest.skip("every port is permitted here")
    source = """
    import errno
    from prefork import cluster
    if cluster.is_primary:
        cluster.fork()
        cluster.run()
    else:
        async def handler(request): return "1 x"
        async def main():
            try:
                await cluster.listen(handler, port=1)
            except PermissionError as error:
                tell("refused", errno.errorcode[error.errno])
            tell("serves", (await cluster.listen(handler, port=0)).port)
        cluster.run(main)
    """
    with closing(Script(source, open_to_all(tmp_path), prefix=nobody)) as made:
        [[_, port]] = made.wait_told("serves")
        assert made.told("refused") == [["refused", "EACCES"]]
        assert ask(port, "/").status == 200


def test_what_is_no_application_is_told_on_one_line(run_cluster: RunCluster) -> None:
    made = run_cluster(primary("rr"), "cluster.serve(lambda request: 'x', port=0)")
    [exited] = made.wait_told("exit")
    assert exited[2] not in (0, None)
    assert "Traceback" not in made.journal.text
    assert re.search(r"must be async: write .?`async def`", made.journal.text)


def test_serve_may_be_called_again_where_the_address_could_not_be_had(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        primary("rr"),
        """
        async def handler(request): return "1 x"
        for host in ("nowhere.invalid", "192.0.2.1"):
            try:
                cluster.serve(handler, host=host)
            except OSError as error:
                tell("refused", type(error).__name__)
        cluster.serve(handler)
        tell("served")
        """,
    )
    [[*_, port, _]] = made.wait_told("listening")
    assert made.told("refused") == [["refused", "gaierror"], ["refused", "OSError"]]
    assert ask(port, "/").body == b"1 x"
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
    assert made.told("served")


def test_an_application_that_does_not_start_says_why(run_cluster: RunCluster) -> None:
    made = run_cluster(
        primary("rr"),
        """
        async def app(scope, receive, send):
            await receive()
            raise LookupError("no database")
        cluster.serve(app)
        """,
    )
    assert made.wait_told("exit") == [["exit", 1, ExitCode.APP_START, None, False]]
    assert "no database" in made.journal.text


@pytest.mark.parametrize("run", ["cluster.run(main)", "asyncio.run(main())"])
def test_what_main_raises_is_shown_and_ends_the_worker(run_cluster: RunCluster, run: str) -> None:
    made = run_cluster(
        primary("rr"),
        f"""
        async def handler(request): return "1 x"
        async def main():
            await cluster.listen(handler)
            raise LookupError("in the middle")
        {run}
        """,
    )
    assert made.wait_told("exit") == [["exit", 1, 1, None, False]]
    assert "LookupError: in the middle" in made.journal.text
