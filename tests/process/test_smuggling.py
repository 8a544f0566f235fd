"""No body is ever taken for a request, nor is what is one request to a proxy more to us."""

import json
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.asking import ask
from tests.support.program import Program
from tests.support.proxies import haproxy, needs_haproxy, needs_nginx, nginx
from tests.support.smuggled import ATTACKS

FIRST = 0.3  # seconds for the beginning of an answer, before we say that no more will come
REST = 3.0  # seconds for the end of the connection then


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that the application saw."""

    method: str
    path: str
    body: str
    front: str  # the mark of the proxy that it came through
    peer: int  # the port at the other end of its connection


@dataclass(frozen=True, slots=True)
class Site:
    """A server, and the port of what is in front of it."""

    program: Program
    port: int


NOBODY, NGINX, HAPROXY = "nobody", "nginx", "haproxy"


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("site")
    with ExitStack() as running:
        program = Program("tests.support.target:app", "--workers", "1", home=home)
        running.callback(program.close)
        program.wait_ready()
        port = running.enter_context(front(request.param, program.port, home))
        yield Site(program, port)


def front(name: str, port: int, home: Path) -> AbstractContextManager[int]:
    """Put the proxy in front of a port; it marks each request, and clients share connections."""
    behind = f"127.0.0.1:{port}"
    if name == NGINX:
        marked = ('proxy_set_header Connection "";', "proxy_set_header X-Front $request_id;")
        return nginx(behind, home, *marked)
    if name == HAPROXY:
        mode = "http\n    http-reuse always\n    http-request set-header X-Front %[uuid()]"
        return haproxy(behind, home, mode=mode)
    return nullcontext(port)


def send(port: int, data: bytes) -> bytes:
    """Send an attack, and after a moment the end; return all that comes back."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), FIRST) as sock:
        try:
            sock.sendall(data)
            with suppress(TimeoutError):
                received += sock.recv(65536)
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(REST)
            while more := sock.recv(65536):
                received += more
        except OSError:
            pass
    return received


def seen(program: Program) -> list[Seen]:
    """What the application saw since this was last asked."""
    return [Seen(*each) for each in json.loads(ask(program.port, "/seen").body)]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("site", [NOBODY], indirect=True)
def test_no_request_is_smuggled(site: Site, attack: str) -> None:
    seen(site.program)
    answered = send(site.port, ATTACKS[attack])
    noted = seen(site.program)
    told = f"{answered!r}\n{noted}"
    assert all(each.path != "/smuggled" for each in noted), told
    assert answered.count(b"HTTP/1.1 200 ") == len(noted), told


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    "site",
    [pytest.param(NGINX, marks=needs_nginx), pytest.param(HAPROXY, marks=needs_haproxy)],
    indirect=True,
)
def test_no_request_is_smuggled_through_a_proxy(site: Site, attack: str) -> None:
    seen(site.program)
    answered = send(site.port, ATTACKS[attack])
    for path in ("/innocent/1", "/innocent/2"):
        reply = ask(site.port, path)
        assert (reply.status, reply.body) == (200, path.encode())
    noted = seen(site.program)
    marks = [each.front for each in noted]
    # What came within another request has no mark, or that one's.
    assert all(marks), f"{answered!r}\n{noted}"
    assert len(set(marks)) == len(marks), f"{answered!r}\n{noted}"
