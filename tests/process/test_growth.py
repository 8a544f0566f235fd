"""What a client sends without end makes no worker grow, and 50 such clients no more than 50."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from tests.process.conftest import Serve
from tests.support.asking import ask
from tests.support.flood import End, Flood, Outcome, pour
from tests.support.memory import Growth
from tests.support.program import Program

MB = 1_000_000
CLIENTS = 50
HOST = b"Host: a\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
CHUNKED = b"POST /take?rate=1e12 HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
FLOODS = {  # name: the flood, and the statuses that may answer it
    "header lines": (Flood(GET, b"X-A: b\r\n", MB), {431}),
    "the shortest header lines": (Flood(GET, b"a:\r\n", MB), {431}),
    "one header": (Flood(GET + b"X: ", b"x", MB), {431}),
    "one header's name": (Flood(GET, b"x", MB), {431}),
    "the target": (Flood(b"GET /", b"x", MB), {414}),
    "the method": (Flood(b"", b"X", MB), {400}),
    "a chunk extension": (Flood(CHUNKED + b"1;", b"x", MB), {400}),
    "extensions of many chunks": (Flood(CHUNKED, b"1;" + b"x" * 200 + b"\r\nx\r\n", MB), {400}),
    "the size of a chunk": (Flood(CHUNKED, b"0", MB), {400}),
    "trailers": (Flood(CHUNKED + b"0\r\n", b"X-A: b\r\n", MB), {431}),
    "one trailer": (Flood(CHUNKED + b"0\r\nX: ", b"x", MB), {431, 400}),
    "empty lines": (Flood(b"", b"\r\n", MB, wait=0.5), {0}),
    "requests whose answers nobody reads": (
        Flood(b"", GET + b"\r\n", MB, is_deaf=True, wait=0),
        {0, 200},
    ),
    "requests with answers": (Flood(b"", GET + b"X: %b\r\n\r\n" % (b"x" * 240), MB), {200}),
    "what follows the last request": (Flood(GET + b"Connection: close\r\n\r\n", b"x", MB), {200}),
    "what follows a refusal": (Flood(b"nonsense\r\n\r\n", b"x", MB), {400}),
    "chunks of one byte": (Flood(CHUNKED, b"1\r\nx\r\n", MB, b"0\r\n\r\n", wait=60), {200}),
    "a body that nobody reads": (
        Flood(
            b"POST /whole?mb=0 HTTP/1.1\r\nHost: a\r\nContent-Length: 1%b\r\n\r\n" % (b"0" * 12),
            b"x",
            MB,
        ),
        {200},
    ),
}
ONE = 4 * MB  # bytes by which a worker may grow for one of them,
ANSWERED = (
    800_000  # for one of 3,600 requests that are all answered: 0.3 MB, and 140 bytes for each
)
EACH = 600_000  # and for each of 50: what one read holds, and something


def worker(program: Program) -> int:
    (pid,) = program.workers(1)
    for _ in range(100):
        assert ask(program.port, "/").status == 200
    return pid


def check(outcome: Outcome, statuses: set[int]) -> None:
    if outcome.end is End.RESET and not outcome.received:
        return  # the kernel threw the answer away, since more was sent than is read on
    assert outcome.status in statuses, outcome


@pytest.mark.parametrize(
    ("size", "each"), [(MB, MB // 6), pytest.param(32 * MB, MB, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_makes_no_worker_grow(serve: Serve, name: str, size: int, each: int) -> None:
    program = serve("--workers", "1", app="tests.support.target:app")
    pid = worker(program)
    flood, statuses = FLOODS[name]
    with Growth(pid) as one:
        check(pour(program.port, replace(flood, size=size)), statuses)
    flood = replace(flood, size=each)
    with Growth(pid) as many, ThreadPoolExecutor(CLIENTS) as pool:
        for outcome in pool.map(partial(pour, program.port, flood), range(1, 1 + CLIENTS)):
            check(outcome, statuses)
    print(f"{name}: one of {size:,} bytes: +{one.peak:,}; {CLIENTS} of {each:,}: +{many.peak:,}")
    assert one.peak < (ANSWERED if name == "requests with answers" else ONE)
    assert many.peak < CLIENTS * EACH
    assert ask(program.port, "/").status == 200
    assert program.workers(1) == [pid]
