"""What a worker says that it is at, when a thread beside its event loop is asked."""

import asyncio
import os
import select
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager, suppress

from tests.worker.conftest import Run
from tests.worker.rig import GET, rig

from prefork import Request
from prefork.wire import inquiry
from prefork.wire.inquiry import Inquirer, Respondent
from prefork.wire.stacks import MOST_TASKS, Dump, Stack, find
from prefork.worker.witness import Witness

BLOCKING = (  # lines of `asked` at which the dump may find it
    "thread.start()",
    "while thread.is_alive():",
    "select.select([inquirer], [], [], 0.01)",
    'said += inquirer.read() or b""',
)


@contextmanager
def ends() -> Iterator[tuple[Inquirer, Respondent]]:
    inquirer, respondent = inquiry.pair()
    with closing(inquirer), closing(respondent):
        yield inquirer, respondent


def asked(witness: Witness) -> Dump:
    """Ask from a thread that isn't the event loop's; that one is blocked meanwhile."""
    with ends() as (inquirer, respondent):
        number = inquirer.ask()
        thread = threading.Thread(target=witness.answer, args=(respondent,))
        thread.start()
        said = b""
        while thread.is_alive():
            select.select([inquirer], [], [], 0.01)
            said += inquirer.read() or b""
        dump = find(said + (inquirer.read() or b""), number)
    assert dump is not None
    return dump


def stack(dump: Dump, name: str) -> list[str]:
    """The functions of a task or thread, the outermost first."""
    [found] = [each for each in [*dump.tasks, *dump.threads] if each.name == name]
    return [frame.function.rpartition(".")[2] for frame in found.frames]


def witness_of_loop() -> Witness:
    witness = Witness()
    witness.loop = asyncio.get_running_loop()
    return witness


async def outer(inner: Callable[[], object]) -> None:
    await asyncio.sleep(0)
    inner()


async def letters() -> AsyncIterator[str]:
    await asyncio.Event().wait()
    yield "a"


async def reading() -> None:
    async for _ in letters():
        pass


async def waiting_for(task: "asyncio.Task[None]") -> None:
    await task


def test_a_task_is_followed_to_what_it_waits_for(run: Run) -> None:
    async def scenario() -> None:
        reader = asyncio.create_task(reading(), name="reader")
        waiter = asyncio.create_task(waiting_for(reader), name="waiter")
        await asyncio.sleep(0.01)
        dump = asked(witness_of_loop())
        assert stack(dump, "reader") == ["reading", "letters", "wait"]
        assert stack(dump, "waiter")[:2] == ["waiting_for", "reading"]
        for task in (waiter, reader):
            task.cancel()

    run(scenario())


def test_the_task_that_is_being_run_is_told_as_that_and_first(run: Run) -> None:
    async def scenario() -> None:
        other = asyncio.create_task(reading(), name="a task")
        await asyncio.sleep(0)
        dump = asked(witness_of_loop())
        assert [each.is_running for each in dump.tasks] == [True, *[False] * (len(dump.tasks) - 1)]
        other.cancel()

    run(scenario())


def test_the_main_thread_is_last_and_ends_where_it_is(run: Run) -> None:
    async def scenario() -> None:
        done = threading.Event()
        other = threading.Thread(target=done.wait, name="other")
        other.start()
        dump = asked(witness_of_loop())
        done.set()
        assert dump.threads[-1].name == "MainThread"
        assert "asked" in stack(dump, "MainThread")
        assert "wait" in stack(dump, "other")
        last = [f for f in dump.threads[-1].frames if f.function == "asked"]
        assert last[0].code in BLOCKING
        assert last[0].file == __file__

    run(scenario())


def test_of_many_tasks_the_rest_is_counted(run: Run) -> None:
    async def scenario() -> None:
        tasks = [asyncio.create_task(reading()) for _ in range(MOST_TASKS + 10)]
        await asyncio.sleep(0)
        dump = asked(witness_of_loop())
        assert len(dump.tasks) == MOST_TASKS
        assert dump.more_tasks >= 10
        for task in tasks:
            task.cancel()

    run(scenario())


def test_requests_are_named_and_so_are_their_tasks(run: Run) -> None:
    witness = Witness()
    dumps: list[Dump] = []

    async def handler(request: Request) -> str:
        if request.path == "/blocking":
            dumps.append(asked(witness))
        else:
            await asyncio.Event().wait()
        return "done"

    async def scenario() -> None:
        witness.loop = asyncio.get_running_loop()
        async with rig(handler, "handler") as server:
            witness.members = [server.server.members]
            waiting, blocking = await server.connect(), await server.connect()
            await waiting.send(GET.replace(b"GET / ", b"GET /waiting?secret=1 "))
            await server.turn(lambda: server.server.in_flight == 1)
            await blocking.send(GET.replace(b"GET / ", b"GET /blocking "))
            await blocking.answer()
            assert asked(witness).requests == ["GET /waiting"]
            waiting.close()

    run(scenario())
    [dump] = dumps
    assert dump.requests == ["GET /blocking", "GET /waiting"]
    assert stack(dump, "request (GET /waiting)")[0] == "handler"
    assert dump.tasks[0] == Stack("request (GET /blocking)", [], is_running=True)


def test_before_there_is_a_loop_there_are_threads() -> None:
    dump = asked(Witness())
    assert dump.tasks == []
    assert dump.threads[-1].name == "MainThread"


def test_what_cannot_be_read_is_told_and_harms_nobody() -> None:
    class Broken:
        @property
        def request(self) -> None:
            raise LookupError("no such thing")

    witness = Witness()
    witness.members = [{Broken()}]  # type: ignore[arg-type]
    assert asked(witness).missing == ("the stacks could not be read: LookupError('no such thing')")


def test_without_an_inquiry_nothing_is_said() -> None:
    with ends() as (inquirer, respondent):
        Witness().answer(respondent)
        assert inquirer.read() == b""


def test_an_answer_that_nobody_reads_is_given_up() -> None:
    with ends() as (inquirer, respondent):
        with suppress(BlockingIOError):
            while True:
                os.write(respondent.answering, b"x" * 4096)
        inquirer.ask()
        Witness().answer(respondent)  # it comes back
        assert b"MainThread" not in (inquirer.read() or b"")


def test_a_name_that_is_no_text_costs_the_dump_alone(run: Run) -> None:
    """The thread that answers is also the one that ends orphans."""

    async def scenario() -> None:
        witness = Witness()
        witness.loop = asyncio.get_running_loop()
        named = asyncio.create_task(asyncio.sleep(60), name=os.fsdecode(b"caf\xe9"))
        await asyncio.sleep(0)
        assert "could not be read" in asked(witness).missing
        named.cancel()

    run(scenario())
