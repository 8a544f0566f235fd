"""Behind a real proxy a request's client is whoever asked the proxy."""

import json
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
