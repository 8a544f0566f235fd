"""A script's worker between its birth and its end, with what stands for its primary."""

# ruff: noqa: ARG001 - an application takes what the protocol gives

import asyncio
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.worker.conftest import Run
from tests.worker.rig import GET, PATIENCE, Client, Message, hello

from prefork import Request
from prefork.errors import AppError, ExitCode
from prefork.settings.schema import Settings
from prefork.wire import channel, handover, inquiry
from prefork.wire.board import Board, Field
from prefork.wire.channel import Channel
from prefork.wire.estate import Entries, Estate, WorkerBirth
from prefork.wire.messages import (
    Admit,
    Introduce,
    Lead,
    Leaving,
    LeftRotation,
    Listen,
    ListenFailed,
    Listening,
    Ready,
    Stop,
    Unlisten,
    Want,
)
from prefork.wire.messages import Message as Said
from prefork.wire.post import Post, decode
from prefork.worker.application import Application
from prefork.worker.deadline import FLUSH
from prefork.worker.member import Identity, Member
from prefork.worker.presence import Presence
from prefork.worker.serving import Serving, Where
from prefork.worker.tasks import NAME
from prefork.worker.tenure import LAST_STEPS, Tenure
from prefork.worker.witness import Witness


async def greet(_: Request) -> str:
    return "greeting"


GREETING = Application("tests:greet", "handler", greet)
HELLO = Application("tests:hello", "asgi", hello)
READY = Ready(os.getpid(), "handler")


class Primary:
    """The primary's ends; what the worker says is heard in order."""

    def __init__(self, **settings: Any) -> None:
        ours, theirs = channel.pair()
        self.channel, self._theirs = Channel(ours), Channel(theirs)
        self.lane, receiving = handover.pair()
        self._receiving = receiving
        estate = Estate(
            Settings(app="tests:app", **settings),
            1,
            (),
            Board(2),
            os.getpid(),
            Entries(*["nowhere"] * 5),
        )
        self.line = estate.board.line(1)
        self.inquirer, self._respondent = inquiry.pair()
        birth = WorkerBirth(estate, 1, 0, 1, 1, theirs, receiving, (), self._respondent)
        self.here = Presence(birth, self._theirs, Member(Identity(1, 0, 1)), Witness())
        self.loop = asyncio.get_running_loop()
        self.tenure = Tenure(self.here, self.loop, None)
        self.ready: list[Ready] = []
        self._said: asyncio.Queue[Said] = asyncio.Queue()
        self._others: list[socket.socket] = []
        self.loop.add_reader(self.channel, self._hear)

    def _hear(self) -> None:
        for message in self.channel.receive():
            if isinstance(message, Ready):
                self.ready.append(message)
            else:
                self._said.put_nowait(message)

    async def hear(self) -> Said:
        """Wait for the next thing that the worker says, but that it is ready."""
        async with asyncio.timeout(PATIENCE):
            return await self._said.get()

    async def asked(self, where: Where) -> Listen:
        """Have the worker listen there; return what it asks for, and have it ask no more."""
        task = asyncio.create_task(self.tenure.listen(GREETING, where))
        asked = await self.hear()
        task.cancel()
        assert isinstance(asked, Listen)
        return asked

    async def open(self, number: int, application: Application = GREETING, **where: Any) -> Serving:
        """Have the worker listen, and let it; return its handle."""
        task = asyncio.create_task(self.tenure.listen(application, Where(**where)))
        asked = await self.hear()
        assert isinstance(asked, Listen)
        self.answer(asked, number)
        return await task

    def answer(self, asked: Listen, number: int, own: tuple[socket.socket, ...] = ()) -> None:
        bound = f"unix:{asked.path}" if asked.path else f"127.0.0.1:{asked.port or 7000 + number}"
        family = socket.AF_UNIX if asked.path else socket.AF_INET
        given = [os.dup(each.fileno()) for each in own]
        self.channel.send(Listening(asked.ticket, number, family, bound, len(own)), given)

    def connect(self, number: int, *, is_moved: bool = False) -> Client:
        """Accept a connection, and hand it over as one that came to that address."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            far = socket.create_connection(listener.getsockname())
            near, _ = listener.accept()
        with near:
            assert handover.send(self.lane, number, [near.fileno()], is_moved=is_moved)
        self._others.append(far)
        return Client(far)

    async def returned(self) -> handover.Batch:
        """Wait for connections that are handed back; close them."""
        readable = self.loop.create_future()
        self.loop.add_reader(self.lane, readable.set_result, None)
        async with asyncio.timeout(PATIENCE):
            await readable
        self.loop.remove_reader(self.lane)
        batch = handover.receive(self.lane)
        assert batch is not None
        for each in batch.descriptors:
            os.close(each)
        return batch

    async def turn(self, until: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not until():  # noqa: ASYNC110 - nothing tells of a turn
                await asyncio.sleep(0)

    def close(self) -> None:
        ends = (self.channel, self._theirs, self.lane, self._receiving)
        for end in ends:
            self.loop.remove_reader(end)  # or the end of the channel would end the process
            end.close()
        for other in self._others:
            other.close()
        self.inquirer.close()
        self._respondent.close()


@asynccontextmanager
async def primary_of(**settings: Any) -> AsyncIterator[Primary]:
    primary = Primary(**settings)
    try:
        yield primary
    finally:
        primary.close()


class Lived:
    """The course of the worker's life, as a task."""

    def __init__(self, primary: Primary, main: Callable[[], Any] | None = None) -> None:
        self.task = asyncio.create_task(primary.tenure.live(main))

    async def end(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.task


def test_the_first_that_listens_makes_the_worker_ready_and_another_does_not(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            first = await primary.open(0)
            await primary.turn(lambda: primary.ready == [READY])
            second = await primary.open(1, HELLO)
            assert (first.address, first.port) == ("127.0.0.1:7000", 7000)
            assert (second.address, second.port) == ("127.0.0.1:7001", 7001)
            await second.close()
            assert await primary.hear() == Unlisten(1)
            assert primary.ready == [READY]

    run(scenario())


def test_the_address_of_a_connection_says_which_server_gets_it(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            await primary.open(5)
            await primary.open(3, HELLO)
            clients = [(primary.connect(5), b"greeting"), (primary.connect(3), b"hello")]
            for client, body in clients:
                assert (await client.get()).body == body

    run(scenario())


def test_their_counters_add_up_on_one_line(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            servings = [await primary.open(0), await primary.open(1)]
            clients = [primary.connect(number) for number in (0, 1, 1)]
            for client in clients:
                await client.get()
            for each in servings:
                each.door.server.publish()
            counted = (Field.ACCEPTED, Field.CONNECTIONS, Field.RECEIVED, Field.REQUESTS)
            assert [primary.line[each] for each in counted] == [3, 3, 3, 3]
            clients[1].close()
            await primary.turn(lambda: primary.line[Field.CONNECTIONS] == 2)
            assert [primary.line[each] for each in counted] == [3, 2, 3, 3]

    run(scenario())


def test_a_connection_that_comes_before_the_answer_is_read_is_served(run: Run) -> None:
    """They are two ways; the primary writes the answer first, and the other may be read first."""

    async def scenario() -> None:
        async with primary_of() as primary:
            task = asyncio.create_task(primary.tenure.listen(GREETING, Where()))
            asked = await primary.hear()
            assert isinstance(asked, Listen)
            client = primary.connect(0)
            primary.answer(asked, 0)
            primary.tenure._intake._receive()
            assert (await client.get()).body == b"greeting"
            await task

    run(scenario())


def test_ports_that_were_left_open_are_told_apart_by_their_order(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            wheres: list[dict[str, Any]] = [
                {},
                {"port": 80},
                {"path": "x"},
                {"host": "::1"},
                {"path": "y"},
                {},
            ]
            servings = [await primary.open(number, **where) for number, where in enumerate(wheres)]
            asked = [each.asked for each in servings if each.asked is not None]
            assert [each.index for each in asked] == [0, 0, 0, 1, 0, 2]
            assert [each.ticket for each in asked] == [1, 2, 3, 4, 5, 6]

    run(scenario())


def test_one_that_is_closed_or_was_refused_is_not_counted_any_more(run: Run) -> None:
    """Or a server that comes and goes would use up the numbers that addresses have."""

    async def scenario() -> None:
        async with primary_of() as primary:
            await primary.open(0)
            second = await primary.open(1)
            await primary.open(2)
            await second.close()
            assert await primary.hear() == Unlisten(1)
            task = asyncio.create_task(primary.tenure.listen(GREETING, Where()))
            asked = await primary.hear()
            assert isinstance(asked, Listen)
            assert asked.index == 1
            primary.channel.send(ListenFailed(asked.ticket, errno.EMFILE, "too many are open"))
            with pytest.raises(OSError, match="too many are open"):
                await task
            assert (await primary.asked(Where())).index == 1

    run(scenario())


def test_a_path_is_made_absolute_and_a_name_a_number(run: Run) -> None:
    here = os.getcwd()

    async def scenario() -> None:
        async with primary_of() as primary:
            asked = await primary.asked(Where(path="some/where", mode=0o600, backlog=7))
            assert (asked.path, asked.mode, asked.backlog) == (f"{here}/some/where", 0o600, 7)
            assert (await primary.asked(Where(host="localhost"))).host == "localhost"
            assert (await primary.asked(Where(host=""))).host == "0.0.0.0"
            assert (await primary.asked(Where(host="LocalHost"))).host in ("127.0.0.1", "::1")
            with pytest.raises(socket.gaierror):
                await primary.tenure.listen(GREETING, Where(host="nowhere.invalid"))

    run(scenario())


def test_what_the_primary_refuses_is_raised_and_may_be_asked_for_again(run: Run) -> None:
    ends: list[str] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        for _ in range(2):
            kind = (await receive())["type"]
            ends.append(kind)
            await send({"type": f"{kind}.complete"})

    async def scenario() -> None:
        async with primary_of() as primary:
            task = asyncio.create_task(
                primary.tenure.listen(Application("tests:app", "asgi", app), Where(port=80))
            )
            asked = await primary.hear()
            assert isinstance(asked, Listen)
            primary.channel.send(ListenFailed(asked.ticket, errno.EACCES))
            with pytest.raises(PermissionError):
                await task
            assert ends == ["lifespan.startup", "lifespan.shutdown"]
            serving = await primary.open(0, port=8080)
            assert serving.port == 8080

    run(scenario())


def test_an_application_that_does_not_start_is_not_listened_for(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        raise ValueError("no database")

    async def scenario() -> None:
        async with primary_of() as primary:
            with pytest.raises(AppError, match="no database"):
                await primary.tenure.listen(Application("tests:app", "asgi", app), Where())
            await primary.open(0)  # the first that is asked for

    run(scenario())


def test_who_no_longer_waits_for_an_address_gives_it_up(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            task = asyncio.create_task(primary.tenure.listen(GREETING, Where()))
            asked = await primary.hear()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert isinstance(asked, Listen)
            with socket.create_server(("127.0.0.1", 0)) as own:
                primary.answer(asked, 4, (own,))
            assert await primary.hear() == Unlisten(4)

    run(scenario())


def test_an_answer_whose_listeners_were_lost_is_an_error(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            task = asyncio.create_task(primary.tenure.listen(GREETING, Where()))
            asked = await primary.hear()
            assert isinstance(asked, Listen)
            primary.here.channel._descriptors.append(None)
            primary.channel.send(Listening(asked.ticket, 4, socket.AF_INET, "127.0.0.1:1", 1))
            with pytest.raises(OSError, match="Too many open files"):
                await task
            assert await primary.hear() == Unlisten(4)

    run(scenario())


def test_what_comes_for_a_server_that_has_closed_is_handed_back(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            closed, other = await primary.open(0), await primary.open(1)
            busy = primary.connect(0)
            await busy.get()
            closing = asyncio.create_task(closed.close())
            await primary.turn(lambda: not closed.is_open)
            late = primary.connect(0)
            moved = primary.connect(0, is_moved=True)
            batches = [await primary.returned(), await primary.returned()]
            assert [(each.address, each.sent, each.is_moved) for each in batches] == [
                (0, 1, True),
                (0, 1, True),
            ]
            assert primary.line[Field.HANDED_BACK] == 2
            assert primary.line[Field.RECEIVED] == 3
            assert primary.line[Field.ACCEPTED] == 2  # the moved one was counted where it came from
            assert (await busy.get()).closes
            await closing
            assert primary.line[Field.CONNECTIONS] == 0
            assert (await primary.connect(1).get()).body == b"greeting"
            assert other.is_open
            for each in (busy, late, moved):
                each.close()

    run(scenario())


def test_a_server_that_has_closed_leaves_no_task(run: Run) -> None:
    """Or asyncio would complain that one was destroyed while it waited."""

    def waiting() -> list[str]:
        return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == NAME]

    async def scenario() -> None:
        async with primary_of() as primary:
            one, _ = await primary.open(0), await primary.open(1)
            before = len(waiting())
            await one.close()
            await primary.turn(lambda: len(waiting()) == before - 1)

    run(scenario())


def test_nothing_is_accepted_from_listeners_of_its_own_before_it_is_admitted(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            with socket.create_server(("127.0.0.1", 0)) as own:
                lived = Lived(primary)
                task = asyncio.create_task(primary.tenure.listen(GREETING, Where()))
                asked = await primary.hear()
                assert isinstance(asked, Listen)
                primary.answer(asked, 0, (own,))
                serving = await task
                client = Client(socket.create_connection(own.getsockname()))
                await client.send(GET)
                assert await client.is_open()
                primary.channel.send(Admit())
                assert (await client.answer()).body == b"greeting"
                await asyncio.gather(serving.close(), asyncio.to_thread(client.close))
                late = Client(socket.create_connection(own.getsockname()))
                await late.send(GET)
                assert await late.is_open()
                late.close()
                primary.channel.send(Stop(5))
                assert await lived.end() == ExitCode.OK

    run(scenario())


def test_a_stop_drains_all_servers_and_shuts_their_applications_down(run: Run) -> None:
    ends: list[str] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await hello(scope, receive, send)
            return
        for _ in range(2):
            kind = (await receive())["type"]
            ends.append(kind)
            await send({"type": f"{kind}.complete"})

    async def scenario() -> None:
        async with primary_of() as primary:
            lived = Lived(primary)
            for number in (0, 1):
                await primary.open(number, Application("tests:app", "asgi", app))
            clients = [primary.connect(number) for number in (0, 1)]
            primary.channel.send(Stop(5))
            assert await primary.hear() == LeftRotation()
            for client in clients:
                assert (await client.get()).closes
            assert await lived.end() == ExitCode.OK
            assert ends == ["lifespan.startup"] * 2 + ["lifespan.shutdown"] * 2

    run(scenario())


def test_connections_go_back_with_the_number_of_their_address(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            lived = Lived(primary)
            for number in (4, 7):
                await primary.open(number)
            clients = [primary.connect(number) for number in (7, 4)]
            for client in clients:
                await client.get()
            primary.channel.send(Stop(5, hands_back=True))
            batches = [await primary.returned(), await primary.returned()]
            assert sorted(each.address for each in batches) == [4, 7]
            assert await lived.end() == ExitCode.OK

    run(scenario())


def test_what_is_begun_at_the_deadline_is_cut_and_the_exit_code_says_so(run: Run) -> None:
    async def stuck(_: Request) -> str:
        await asyncio.Event().wait()
        return ""

    async def scenario() -> None:
        async with primary_of() as primary:
            lived = Lived(primary)
            await primary.open(0, Application("tests:stuck", "handler", stuck))
            client = primary.connect(0)
            await client.send(GET)
            await primary.turn(lambda: primary.line[Field.CONNECTIONS] == 1)
            primary.channel.send(Stop(0.1))
            assert await lived.end() == ExitCode.CUT
            assert (await client.answer()).status == 503

    run(scenario())


def test_it_is_too_late_to_listen_when_it_is_told_to_stop(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            lived = Lived(primary)
            pending = asyncio.create_task(primary.tenure.listen(GREETING, Where()))
            assert isinstance(await primary.hear(), Listen)
            primary.channel.send(Stop(5))
            for late in (pending, primary.tenure.listen(GREETING, Where())):
                with pytest.raises(OSError, match="this worker is to stop") as refused:
                    await late
                assert refused.value.errno == errno.ECANCELED
            assert await lived.end() == ExitCode.OK

    run(scenario())


def test_a_main_that_was_too_late_to_listen_ends_in_peace(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:

            async def main() -> None:
                await primary.tenure.listen(GREETING, Where())

            lived = Lived(primary, main)
            asked = await primary.hear()
            assert isinstance(asked, Listen)
            primary.channel.send(ListenFailed(asked.ticket, errno.ECANCELED))
            primary.channel.send(Stop(5))
            assert await lived.end() == ExitCode.OK

    run(scenario())


def test_what_main_raises_ends_the_worker(run: Run) -> None:
    async def main() -> None:
        raise LookupError("here")

    async def scenario() -> None:
        async with primary_of() as primary:
            with pytest.raises(LookupError, match="here"):
                await Lived(primary, main).end()

    run(scenario())


def test_a_main_that_goes_on_for_ever_is_cancelled_when_all_else_has_ended(run: Run) -> None:
    seen: list[str] = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("finally")

    async def scenario() -> None:
        async with primary_of() as primary:
            lived = Lived(primary, main)
            primary.channel.send(Stop(30))
            assert await lived.end() == ExitCode.OK
            assert seen == ["finally"]

    run(scenario())


@pytest.mark.parametrize("grace", [0.5, 30])
def test_a_main_that_waits_to_lead_is_cancelled_when_all_else_has_ended(
    run: Run, grace: float
) -> None:
    seen: list[str] = []

    async def scenario() -> None:
        async with primary_of() as primary:

            async def main() -> None:
                try:
                    await primary.here.member.leader()
                    seen.append("leads")
                    await primary.here.member.disconnect()
                    await primary.here.member.leader()
                    seen.append("leads again")
                finally:
                    seen.append("finally")

            lived = Lived(primary, main)
            primary.channel.send(Lead())
            assert await primary.hear() == Leaving()
            primary.channel.send(Stop(grace))
            begun = primary.loop.time()
            assert await lived.end() == ExitCode.OK
            assert primary.loop.time() - begun < LAST_STEPS
            assert seen == ["leads", "finally"]

    run(scenario())


def test_a_main_that_goes_on_is_cancelled_before_a_deadline_that_is_near(run: Run) -> None:
    begun = asyncio.Event()

    async def main() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def scenario() -> None:
        async with primary_of() as primary:
            lived = Lived(primary, main)
            await begun.wait()
            primary.channel.send(Stop(30))
            primary.channel.send(Stop(0.3))
            assert await lived.end() == ExitCode.OK

    run(scenario())


def test_what_a_failing_main_has_said_arrives(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:

            async def main() -> None:
                assert primary.here.member.send("last words")
                raise LookupError("here")

            lived = Lived(primary, main)
            assert await primary.hear() == Want("post")
            ours, theirs = channel.pair()
            primary.channel.send(Introduce("post"), [theirs.detach()])
            with pytest.raises(LookupError, match="here"):
                await lived.end()
            post = Post(ours)
            assert [decode(each.payload) for each in post.receive()] == ["last words"]
            post.close()
            primary.here.member._letters.mailbox.close()

    run(scenario())


def test_a_shutdown_is_run_though_what_was_cut_takes_its_time(run: Run) -> None:
    ends: list[str] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(FLUSH * 5)
        for _ in range(2):
            kind = (await receive())["type"]
            ends.append(kind)
            await send({"type": f"{kind}.complete"})

    async def scenario() -> None:
        async with primary_of() as primary:
            lived = Lived(primary)
            await primary.open(0, Application("tests:app", "asgi", app))
            client = primary.connect(0)
            await client.send(GET)
            await primary.turn(lambda: primary.line[Field.CONNECTIONS] == 1)
            primary.channel.send(Stop(0.1))
            assert await lived.end() == ExitCode.CUT
            assert ends == ["lifespan.startup", "lifespan.shutdown"]
            await primary.turn(lambda: primary.line[Field.CONNECTIONS] == 0)
            client.close()

    run(scenario())


def test_a_main_takes_its_last_steps_after_the_worker_was_told_to_stop(run: Run) -> None:
    seen: list[str] = []

    async def scenario() -> None:
        async with primary_of() as primary:

            async def main() -> None:
                primary.here.member._linked.leave()
                await primary.here.member.disconnect()
                await asyncio.sleep(0.01)
                seen.append("after")

            lived = Lived(primary, main)
            assert await primary.hear() == Leaving()
            primary.channel.send(Stop(30))
            assert await lived.end() == ExitCode.OK
            assert seen == ["after"]

    run(scenario())


def test_a_main_that_ignores_its_cancellation_is_cut_at_the_deadline(run: Run) -> None:
    begun = asyncio.Event()

    async def main() -> None:
        begun.set()
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async def scenario() -> None:
        async with primary_of() as primary:
            lived = Lived(primary, main)
            await begun.wait()
            primary.channel.send(Stop(0.1))
            assert await lived.end() == ExitCode.CUT
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task._coro.close()  # type: ignore[attr-defined] # or the loop would wait for it

    run(scenario())


def test_one_that_never_listens_is_ready_when_its_main_returns(run: Run) -> None:
    async def main() -> None:
        return

    async def scenario() -> None:
        async with primary_of() as primary:
            Lived(primary, main)
            await primary.turn(lambda: primary.ready == [Ready(os.getpid())])

    run(scenario())


def test_one_that_neither_listens_nor_returns_is_ready_in_half_its_time_to_start(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of(start_timeout=0.2) as primary:
            Lived(primary, asyncio.Event().wait)
            await primary.turn(lambda: primary.ready == [Ready(os.getpid())])

    run(scenario())


def test_a_limit_is_told_on_the_board_where_every_server_has_one(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of(worker_connections=100) as primary:
            assert primary.line[Field.CAPACITY] == 100
            first = await primary.open(0, max_connections=2)
            assert primary.line[Field.CAPACITY] == 2
            await primary.open(1, max_connections=3)
            assert primary.line[Field.CAPACITY] == 5
            await first.close()
            assert primary.line[Field.CAPACITY] == 3
            assert await primary.hear() == Unlisten(0)
            await primary.open(2)
            assert primary.line[Field.CAPACITY] == 100

    run(scenario())


def test_a_server_that_is_full_hands_back_and_asks_for_more_when_it_has_room(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            await primary.open(0, max_connections=1, port=80)
            await primary.open(1)
            first, second = primary.connect(0), primary.connect(0)
            assert (await first.get()).body == b"greeting"
            assert (await primary.returned()).sent == 1
            assert await primary.hear() == Unlisten(0)
            assert (await primary.connect(1).get()).body == b"greeting"
            first.close()
            asked = await primary.hear()
            assert isinstance(asked, Listen)
            assert asked.port == 80
            primary.answer(asked, 0)
            assert (await primary.connect(0).get()).body == b"greeting"
            second.close()

    run(scenario())


def test_a_server_that_is_full_leaves_connections_in_the_backlog(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            with socket.create_server(("127.0.0.1", 0)) as own:
                lived = Lived(primary)
                task = asyncio.create_task(
                    primary.tenure.listen(GREETING, Where(max_connections=0))
                )
                asked = await primary.hear()
                assert isinstance(asked, Listen)
                primary.answer(asked, 0, (own,))
                await task
                primary.channel.send(Admit())
                client = Client(socket.create_connection(own.getsockname()))
                assert await primary.hear() == Unlisten(0)
                assert await client.is_open()
                assert primary.line[Field.ACCEPTED] == 0
                client.close()
                primary.channel.send(Stop(5))
                assert await lived.end() == ExitCode.OK

    run(scenario())


def test_a_signal_that_comes_after_all_is_finished_ends_nothing(run: Run) -> None:
    """The primary's follows its order, and may come when the loop has closed."""

    async def scenario() -> None:
        async with primary_of() as primary:
            lived = Lived(primary)
            primary.channel.send(Stop(5))
            assert await lived.end() == ExitCode.OK

    before = signal.getsignal(signal.SIGTERM)
    try:
        run(scenario())
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
