"""Every case of the corpus over a socket: what the client and the application see of it."""

import asyncio
from contextlib import suppress

import pytest
from tests.http.corpus import Case, Seen
from tests.http.refused import REFUSED
from tests.http.served import SERVED, TOLERATED
from tests.worker.conftest import Run
from tests.worker.rig import Client, rig

from prefork import Request

AT_ONCE = 60_000  # bytes that arrive before the application is asked to read a body


class Witness:
    """A handler that tells which requests were begun, and which of them were complete."""

    def __init__(self) -> None:
        self.begun = 0
        self.complete: list[Seen] = []

    async def __call__(self, request: Request) -> bytes:
        self.begun += 1
        seen = (request.method, request.path, await request.body())
        self.complete.append(seen)
        return repr(seen).encode()


async def _send(client: Client, data: bytes) -> None:
    with suppress(OSError):  # the server has seen enough
        await client.send(data)


@pytest.mark.parametrize("case", [*SERVED, *TOLERATED], ids=repr)
def test_a_valid_request_is_answered(run: Run, case: Case) -> None:
    witness = Witness()

    async def scenario() -> None:
        async with rig(witness, "handler") as made:
            client = await made.connect()
            await client.send(case.data)
            for seen in case.seen:
                answer = await client.answer(head_only=seen[0] == "HEAD")
                assert answer.status == 200
                assert answer.body in (repr(seen).encode(), b"")
            client.shut()
            assert await client.rest() == b""
        assert witness.complete == list(case.seen)

    run(scenario())


@pytest.mark.parametrize("case", REFUSED, ids=repr)
def test_an_invalid_request_is_answered_by_its_status_and_the_connection_ends(
    run: Run, case: Case
) -> None:
    witness = Witness()

    async def scenario() -> None:
        async with rig(witness, "handler") as made:
            client = await made.connect()
            sending = asyncio.ensure_future(_send(client, case.data))
            answer = await client.answer()
            assert (answer.status, answer.closes) == (case.status, True)
            assert await client.rest() == b""
            await sending
        assert witness.complete == []
        assert witness.begun == 0 or len(case.data) > AT_ONCE

    run(scenario())
