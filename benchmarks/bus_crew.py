"""The workers of the bus' benchmark: one is told to publish, the others say what they heard."""

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from tests.support.pacing import beats
from tests.support.program import Program

WORKERS = 5  # one publishes, and four hear
HEARERS = WORKERS - 1
PATIENCE = 60.0  # seconds until all have heard all


class Crew:
    """A kept connection to each worker, while the context is open."""

    def __init__(
        self, publisher: http.client.HTTPConnection, hearers: list[http.client.HTTPConnection]
    ) -> None:
        self._publisher = publisher
        self._hearers = hearers

    @contextmanager
    def publishing(self, rate: float, seconds: float) -> Iterator["Future[int]"]:
        """Publish so many a second, beside what is done in the context, until all is published.

        The result is how many were acknowledged.
        """
        with ThreadPoolExecutor(1) as beside:
            yield beside.submit(answer, self._publisher, f"/publish/{rate}/{seconds}")

    def heard(self) -> int:
        """Return how many all hearers have heard so far."""
        return sum(int(answer(each, "/heard")) for each in self._hearers)

    def until_heard(self, count: int) -> int:
        """Wait until they have heard so many, or for PATIENCE; return how many they have."""
        for _ in beats(0.05, PATIENCE):
            if (heard := self.heard()) >= count:
                break
        return heard


@contextmanager
def crew(program: Program) -> Iterator[Crew]:
    """Connect to each worker: `rr` gives one after another its own."""
    with ExitStack() as opened:
        publisher, *hearers = [
            opened.enter_context(closing(asked(program.port))) for _ in range(WORKERS)
        ]
        for each in (publisher, *hearers):
            answer(each, "/heard")
        yield Crew(publisher, hearers)


def asked(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=300)


def answer(connection: http.client.HTTPConnection, path: str) -> Any:
    connection.request("GET", path)
    return json.loads(connection.getresponse().read())
