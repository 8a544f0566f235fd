"""Being present on a broker, and knowing who else is: by notices on a channel beside each."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from prefork.bus import presence
from prefork.bus.engine import NOTICES, REQUESTS
from prefork.bus.envelope import Frame
from prefork.bus.presence import BEAT, Roster, Word
from prefork.errors import BusError

ROLL_CALL = 0.25  # seconds that we wait for names on a channel where we have called no roll yet


class Carrier(Protocol):
    """What notices are sent by."""

    async def subscribe(self, channel: bytes) -> None: ...
    async def publish(self, channel: bytes, payload: bytes) -> None: ...
    def own(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run it, until the connection is closed for good at most."""


class Attendance:
    """*gone*: is told who has left."""

    def __init__(self, name: str, gone: Callable[[str], None], carrier: Carrier) -> None:
        self._name = name
        self._gone = gone
        self._carrier = carrier
        self._loop = asyncio.get_running_loop()
        self._rosters: dict[bytes, Roster] = {}  # by the channel of the notices
        self._responds: set[bytes] = set()  # on which of these we are present
        self._calls: dict[bytes, asyncio.Task[None]] = {}  # of the roll there, under way or done

    async def respond(self, channel: bytes) -> None:
        """Be present there."""
        notices = _notices(channel)
        await self._attend(notices)
        self._responds.add(notices)
        await self._say(notices, Word.HERE, {self._name: 0.0})

    async def call(self, channel: bytes) -> None:
        """Find out who is present there, unless it is known: to hear notices is not enough."""
        notices = _notices(channel)
        while True:
            call = self._calls.get(notices) or self._start(notices)
            await asyncio.shield(call)  # it is there for all who ask
            if self._calls.get(notices) is call:
                return

    def forget(self) -> None:
        """Know no longer who is present: notices were missed."""
        self._calls.clear()

    def others(self, channel: bytes) -> list[str]:
        known = self._rosters[_notices(channel)].known(self._loop.time())
        return [name for name in known if name != self._name]

    def heed(self, frame: Frame) -> None:
        """Take a notice. Raises RemoteError where it is none."""
        notice, roster = presence.decode(frame.payload), self._rosters.get(frame.channel)
        if roster is None:
            return  # it was on its way when we left
        if notice.word is Word.HERE:
            roster.hear(notice.names, self._loop.time())
        elif notice.word is Word.GONE:
            roster.forget(notice.names)
            for name in notice.names:
                self._gone(name)
        elif frame.channel in self._responds:
            self._carrier.own(self._answer(frame.channel, roster))

    async def beat(self) -> None:
        """Give a sign of life again and again."""
        while True:
            await asyncio.sleep(BEAT)
            for notices in list(self._responds):
                await self._try(notices, Word.HERE, {self._name: 0.0})

    async def leave(self) -> None:
        """Say that we are gone, wherever we were present."""
        for notices in self._responds:
            await self._try(notices, Word.GONE, {self._name: 0.0})

    async def _attend(self, notices: bytes) -> None:
        """Hear the notices there."""
        self._rosters.setdefault(notices, Roster())
        await self._carrier.subscribe(notices)

    def _start(self, notices: bytes) -> "asyncio.Task[None]":
        call = self._calls[notices] = self._carrier.own(self._call(notices))
        call.add_done_callback(partial(self._judge, notices))
        return call

    async def _call(self, notices: bytes) -> None:
        await self._attend(notices)
        await self._say(notices, Word.CALL, {})
        await asyncio.sleep(ROLL_CALL)

    def _judge(self, notices: bytes, call: "asyncio.Task[None]") -> None:
        """Let the next who asks try again, where it failed."""
        has_failed = call.cancelled() or call.exception() is not None
        if has_failed and self._calls.get(notices) is call:
            del self._calls[notices]

    async def _answer(self, notices: bytes, roster: Roster) -> None:
        """Tell all whom we know: who hangs can't say itself that it is there."""
        names = roster.known(self._loop.time()) | {self._name: 0.0}
        await self._try(notices, Word.HERE, names)

    async def _try(self, notices: bytes, word: Word, names: dict[str, float]) -> None:
        try:
            await self._say(notices, word, names)
        except BusError:
            return  # the engine has told why; the next sign of life follows

    async def _say(self, notices: bytes, word: Word, names: dict[str, float]) -> None:
        await self._carrier.publish(notices, presence.encode(word, names))


def _notices(channel: bytes) -> bytes:
    """The channel of the notices for one of requests."""
    return NOTICES + channel.removeprefix(REQUESTS)
