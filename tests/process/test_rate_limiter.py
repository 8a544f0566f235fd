"""The rate limiter of the examples, over two workers and a reload."""

import asyncio
from collections import Counter

from tests.process.conftest import Serve
from tests.support.asking import ask
from tests.support.program import NAME, ROOT, run

EXAMPLE = ("--app-dir", str(ROOT / "examples"), "--workers", "2")
LIMIT = 1000
REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
AT_ONCE = 50


async def load(port: int, count: int, reload_after: int, home: object) -> Counter[int]:
    """Send so many requests; when some are answered, the code is loaded anew meanwhile."""
    statuses: Counter[int] = Counter()
    room = asyncio.Semaphore(AT_ONCE)
    is_half = asyncio.Event()

    async def one() -> None:
        async with room:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST)
            answer = await reader.read()
            writer.close()
        statuses[int(answer.split(b" ", 2)[1])] += 1
        if statuses.total() >= reload_after:
            is_half.set()

    async def reload() -> None:
        await is_half.wait()
        done = await asyncio.to_thread(run, "reload", NAME, "--wait", home=home)  # type: ignore[arg-type]
        assert done.code == 0

    async with asyncio.TaskGroup() as group:
        group.create_task(reload())
        for _ in range(count):
            group.create_task(one())
    return statuses


def test_of_2000_requests_over_two_workers_and_a_reload_exactly_1000_pass(serve: Serve) -> None:
    program = serve(*EXAMPLE, app="rate_limiter:handler")
    statuses = asyncio.run(load(program.port, 2000, 500, program.home))
    assert statuses == {200: LIMIT, 429: 1000}
    refused = ask(program.port, "/")
    assert refused.status == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60
