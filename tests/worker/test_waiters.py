import asyncio

from tests.worker.conftest import Run

from prefork.worker.waiters import Waiters


def test_everyone_who_waits_is_woken_and_nobody_else(run: Run) -> None:
    async def scenario() -> None:
        waiters = Waiters(asyncio.get_running_loop())
        waiters.wake()  # nobody waits yet
        tasks = [asyncio.create_task(waiters.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.sleep(0)
        waiters.wake()
        waiters.wake()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [
            asyncio.CancelledError,
            type(None),
            type(None),
        ]

    run(scenario())
