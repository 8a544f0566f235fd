import asyncio

from tests.worker.conftest import Run
from tests.worker.rig import LIMITS, hello

from prefork.wire.board import LINE_BYTES, Field
from prefork.worker.application import Application
from prefork.worker.service import Service


def service() -> Service:
    line = memoryview(bytearray(LINE_BYTES)).cast("Q")
    loop = asyncio.get_running_loop()
    return Service(Application("tests:app", "asgi", hello), LIMITS, line, loop, {})


def test_a_task_that_is_done_is_not_kept(run: Run) -> None:
    async def nothing() -> None:
        pass

    async def scenario() -> None:
        made = service()
        task = asyncio.create_task(nothing())
        made.keep(task)
        assert made.trailing == {task}
        await task
        await asyncio.sleep(0)
        assert made.trailing == set()
        made.keep(task)
        assert made.trailing == set()

    run(scenario())


def test_it_is_drained_when_the_last_of_all_is_gone(run: Run) -> None:
    async def scenario() -> None:
        made = service()
        made.taken(2)
        made.released()
        made.draining = True
        assert not made.drained.done()
        made.released()
        made.check_drained()
        assert made.drained.done()
        assert made.line[Field.ACCEPTED] == 2

    run(scenario())
