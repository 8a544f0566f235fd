"""What each verb asks of the fleet, and what it answers."""

from collections.abc import Callable, Iterator
from typing import Any, assert_never

from prefork import log
from prefork.control import protocol
from prefork.control.connection import Connection
from prefork.control.protocol import Request
from prefork.core.facts import Fact, ReloadRequested, ScaleRequested, StopRequested
from prefork.core.fleet import Fleet
from prefork.errors import ControlError, RemoteError, SharedMemoryError
from prefork.memory.store import Store
from prefork.settings.checks import MOST_WORKERS, shown

BY = "control socket"


Answer = dict[str, Any]
Inquire = Callable[[int | None, float, Callable[[Answer], None]], None]


class Verbs:
    """The fleet has acted on a fact once that is yielded."""

    def __init__(
        self, fleet: Fleet, report: Callable[[float], Answer], inquire: Inquire, memory: Store
    ) -> None:
        """*report* makes the answer to `stats`.

        *inquire* is given a slot or None, and what to do with the answer to `dump`. *memory*: what
        is lent to who asks for `memory`.
        """
        self._fleet = fleet
        self._report = report
        self._inquire = inquire
        self._memory = memory

    def obey(self, connection: Connection, line: bytes, now: float) -> Iterator[Fact]:
        """Do what a line asks for, and answer it."""
        try:
            yield from self._perform(connection, protocol.decode_request(line), now)
        except (RemoteError, ControlError, SharedMemoryError) as error:
            connection.refuse(str(error))

    def _perform(self, connection: Connection, request: Request, now: float) -> Iterator[Fact]:
        match request.verb:
            case "stats":
                connection.say(self._report(now))
            case "dump":
                self._dump(connection, request, now)
            case "stop":
                yield from self._stop(connection, request)
            case "reload":
                yield from self._reload(connection, request)
            case "scale":
                yield from self._scale(connection, request)
            case "memory":
                self._lend(connection, request.key or "", request.bytes or 0)
            case _:
                assert_never(request.verb)

    def _dump(self, connection: Connection, request: Request, now: float) -> None:
        """Its answer comes when the workers have said something, or had their time."""

        def answer(dump: Answer) -> None:
            connection.dumps -= 1
            connection.say(dump)
            connection.push()

        connection.dumps += 1
        try:
            self._inquire(request.slot, now, answer)
        except ControlError:
            connection.dumps -= 1
            raise

    def _lend(self, connection: Connection, key: str, size: int) -> None:
        descriptor = self._memory.take(key, size)
        connection.lend({"bytes": size, "atomics": self._memory.atomics}, descriptor)

    def _stop(self, connection: Connection, request: Request) -> Iterator[Fact]:
        connection.waits_for_end = request.wait
        connection.say({"state": "stopping"})
        log.info("stop_requested", by=BY)
        if self._fleet.state != "stopping":  # whoever asks again wants to wait, not to hurry it
            yield StopRequested()

    def _reload(self, connection: Connection, request: Request) -> Iterator[Fact]:
        self._refuse_at_the_end()
        self._refuse_without_slots()
        generation = self._fleet.next_generation
        log.info("reload_requested", by=BY)
        yield ReloadRequested()
        status = self._fleet.reload
        begun = status if status is not None and status.generation == generation else None
        connection.say({"state": "running" if begun else "queued", "generation": generation})
        if request.wait:
            connection.wait_for_reload(generation)
            if begun is not None:  # it was told before anybody waited; it may even be over
                connection.tell(begun)

    def _scale(self, connection: Connection, request: Request) -> Iterator[Fact]:
        self._refuse_at_the_end()
        if self._fleet.is_scripted:
            raise ControlError("a script decides how many workers it has, by fork()")
        self._refuse_without_slots()
        now = len(self._fleet.roster.slots)
        wanted = (request.workers or 0) if request.by is None else now + request.by
        if wanted < 1:
            raise ControlError(f"that would leave no worker: it has {now}, the least is 1")
        if wanted > MOST_WORKERS:
            raise ControlError(
                f"that would make {shown(wanted)} workers: it has {now}, the most is {MOST_WORKERS}"
            )
        if wanted != now:
            log.info("scale_requested", workers=wanted, by=BY)
            yield ScaleRequested(wanted - now)
        connection.say({"workers": len(self._fleet.roster.slots)})

    def _refuse_without_slots(self) -> None:
        if not self._fleet.is_scripted and not self._fleet.roster.slots:
            raise ControlError(
                "it is the pool of a script, and has its size and its code from that"
            )

    def _refuse_at_the_end(self) -> None:
        if self._fleet.state == "stopping":
            raise ControlError("it is stopping")
