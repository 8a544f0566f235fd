"""Behind a real proxy a request's client is whoever asked the proxy."""

import json
import signal
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.process.conftest import Serve
from tests.support.asking import Caller
from tests.support.program import Program
from tests.support.proxies import haproxy, needs_haproxy, needs_nginx, nginx
from tests.support.wire import source

CUSTOMARY = (
    'proxy_set_header Connection "";',
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    "proxy_set_header X-Forwarded-Proto https;",  # as where it ends TLS
)
APPS = ["tests.support.whose:app", "tests.support.whose:handler"]


@pytest.fixture(params=["tcp", "unix"])
def upstream(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What prefork is to bind."""
    return "127.0.0.1:0" if request.param == "tcp" else f"unix:{tmp_path / 'shop.sock'}"


def whose(port: int, number: int) -> dict[str, Any]:
    with closing(Caller(port, number)) as caller:
        told: dict[str, Any] = json.loads(caller.ask("/").body)
        return told


def accepted(program: Program) -> int:
    return int(program.stats()["totals"]["accepted"])


@needs_nginx
@pytest.mark.parametrize("app", APPS)
def test_two_clients_on_one_connection_of_nginx_are_two(
    serve: Serve, tmp_path: Path, upstream: str, app: str
) -> None:
    log = tmp_path / "log"
    program = serve("--bind", upstream, "--access-log", str(log), app=app)
    with nginx(program.bind[0], tmp_path, *CUSTOMARY) as port:
        for number in (1, 2, 3, 1):
            told = whose(port, number)
            assert (told["client"], told["scheme"]) == ([source(number), 0], "https")
        assert accepted(program) == 1
    program.settled(lambda _: len(log.read_text().splitlines()) == 4)
    clients = [line.split()[0] for line in log.read_text().splitlines()]
    assert clients == [source(number) for number in (1, 2, 3, 1)]


@needs_nginx
def test_what_a_client_claims_is_not_believed_behind_nginx(serve: Serve, tmp_path: Path) -> None:
    program = serve(app=APPS[0])
    claims = {"X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.2;proto=http"}
    with nginx(program.bind[0], tmp_path, *CUSTOMARY) as port, closing(Caller(port, 1)) as caller:
        told = json.loads(caller.ask("/", claims).body)
    assert (told["client"], told["scheme"]) == ([source(1), 0], "https")


@needs_haproxy
def test_haproxy_says_whose_each_request_is(serve: Serve, tmp_path: Path, upstream: str) -> None:
    program = serve("--bind", upstream, app=APPS[0])
    with haproxy(program.bind[0], tmp_path, mode="http\n    option forwardfor") as port:
        assert [whose(port, number)["client"] for number in (1, 2)] == [
            [source(1), 0],
            [source(2), 0],
        ]


@needs_haproxy
def test_haproxys_standard_header_is_read_where_that_is_set(serve: Serve, tmp_path: Path) -> None:
    program = serve("--forwarded-headers", "forwarded", app=APPS[0])
    lines = "http\n    http-request set-header Forwarded for=%[src];proto=https"
    with haproxy(program.bind[0], tmp_path, mode=lines) as port:
        told = whose(port, 1)
    assert (told["client"], told["scheme"]) == ([source(1), 0], "https")


def test_a_peer_that_is_not_allowed_is_not_believed(serve: Serve) -> None:
    claims = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https"}
    for peers, believed in [("127.0.0.0/8", True), ("10.0.0.0/8", False), ("none", False)]:
        program = serve("--forwarded-allow-ips", peers, app=APPS[0])
        with closing(Caller(program.port, 1)) as caller:
            told = json.loads(caller.ask("/", claims).body)
        assert (told["client"][0] == "198.51.100.1") is believed
        assert told["scheme"] == ("https" if believed else "http")


# The PROXY protocol

VERSIONS = ["send-proxy", "send-proxy-v2"]


@needs_haproxy
@pytest.mark.parametrize("policy", ["rr", "shared"])
@pytest.mark.parametrize("version", VERSIONS)
def test_haproxy_introduces_each_connection(
    serve: Serve, tmp_path: Path, upstream: str, version: str, policy: str
) -> None:
    log = tmp_path / "log"
    options = ("--proxy-protocol-allow-ips", "127.0.0.1,unix", "--policy", policy)
    program = serve("--bind", upstream, "--access-log", str(log), *options, app=APPS[0])
    with haproxy(program.bind[0], tmp_path, options=version) as port:
        first, second = Caller(port, 1), Caller(port, 2)
        for caller in (first, second, first):
            told = json.loads(caller.ask("/").body)
            name = caller.socket.getsockname()
            assert (told["client"], told["server"]) == (list(name), ["127.0.0.1", port])
        first.close()
        second.close()
    program.settled(lambda _: len(log.read_text().splitlines()) == 3)
    clients = [line.split()[0] for line in log.read_text().splitlines()]
    assert clients == [source(number) for number in (1, 2, 1)]
    assert not program.journal.entries("connection_refused")


@needs_haproxy
@pytest.mark.parametrize("version", VERSIONS)
def test_behind_haproxy_hash_gives_each_client_a_worker_of_its_own(
    serve: Serve, tmp_path: Path, version: str
) -> None:
    """Without the header all are one client's: the proxy's."""
    options = ("--policy", "hash", "--proxy-protocol-allow-ips", "127.0.0.1")
    program = serve("--workers", "4", *options)
    with haproxy(program.bind[0], tmp_path, options=version) as port:
        pids = [{worker(port, number) for _ in range(5)} for number in range(10)]
    assert {len(each) for each in pids} == {1}
    assert len(set.union(*pids)) > 1


def worker(port: int, number: int) -> int:
    """Which worker answers a new connection of the client."""
    with closing(Caller(port, number)) as caller:
        return int(caller.ask("/pid").pid)


@needs_haproxy
@pytest.mark.parametrize("version", VERSIONS)
def test_haproxys_health_checks_find_the_server_well(
    serve: Serve, tmp_path: Path, version: str
) -> None:
    program = serve("--proxy-protocol-allow-ips", "127.0.0.1", app=APPS[0])
    options = f"{version} check inter 50ms"
    lines = "http\n    option httpchk GET /"
    with haproxy(program.bind[0], tmp_path, mode=lines, options=options) as port:
        assert whose(port, 1)["client"][0] == source(1)
        program.settled(lambda stats: stats["totals"]["requests"] >= 5)
    assert not program.journal.entries("connection_refused")


def test_who_is_no_proxy_cannot_get_in_beside_it(serve: Serve) -> None:
    program = serve("--proxy-protocol-allow-ips", "127.0.0.2", app=APPS[0])
    for header in (b"", b"PROXY TCP4 192.0.2.7 203.0.113.1 51234 443\r\n"):
        with socket.create_connection(("127.0.0.1", program.port), timeout=10) as stranger:
            stranger.sendall(header + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                stranger.recv(1)
    program.journal.wait_for("connection_refused")
    assert program.stats()["totals"]["requests"] == 0


def test_a_stop_waits_for_a_header_until_the_deadline_and_no_longer(serve: Serve) -> None:
    options = ("--proxy-protocol-allow-ips", "127.0.0.1", "--graceful-timeout", "1")
    program = serve(*options, app=APPS[0])
    with socket.create_connection(("127.0.0.1", program.port), timeout=10) as proxy:
        proxy.sendall(b"PROXY ")
        program.settled(lambda stats: stats["workers"][0]["connections"] == 1)
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
        assert proxy.recv(1) == b""
