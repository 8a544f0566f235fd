"""A worker process before any event loop runs in it: what it speaks by, and who watches over it."""

import asyncio
import os
from dataclasses import dataclass

from setproctitle import setproctitle

from prefork.wire.board import Field, Line
from prefork.wire.channel import Channel
from prefork.wire.estate import WorkerBirth
from prefork.wire.messages import Online
from prefork.worker import broadcast, heartbeat, member, offload, witness
from prefork.worker.heartbeat import Bystander
from prefork.worker.intake import Lines
from prefork.worker.link import Link
from prefork.worker.member import Identity, Member
from prefork.worker.witness import Witness

LAST_WORDS = 1.0  # seconds that messages get to arrive where the worker ends unasked


@dataclass(slots=True)
class Presence:
    birth: WorkerBirth
    channel: Channel
    member: Member
    witness: Witness
    is_ready: bool = False  # a script's worker has said so

    @classmethod
    def of(cls, birth: WorkerBirth) -> "Presence":
        """Be a worker that its application knows, and say that it runs."""
        estate = birth.estate
        setproctitle(f"prefork: worker {birth.slot} g{birth.generation} [{estate.settings.app}]")
        channel = Channel(birth.channel)
        channel.send(Online(os.getpid()))
        # What a template imported has given it handlers.
        me = member.current = member.current or Member()
        me.be(Identity(birth.id, birth.slot, birth.generation))
        return cls(birth, channel, me, Witness())

    def watch(self) -> None:
        """Have a thread beat, answer inquiries, and end us with the primary. Raises AppError."""
        witness.listen(self.birth.inquiry)
        bystander = Bystander(self.channel, self.birth.inquiry, self.witness)
        heartbeat.watch(bystander, self.line)

    def settle(self, loop: asyncio.AbstractEventLoop) -> Link:
        """Live in a loop, from now on."""
        self.witness.loop = loop
        link = Link(self.channel, loop)
        self.member.attach(loop, link)
        broadcast.join(self.birth.estate, self.birth.id, link)
        offload.join(self.birth.estate, self.birth.id, self.line, link)
        return link

    async def take_leave(self, by: float) -> None:
        """Let messages arrive and their handlers end, at most until the loop's time *by*."""
        await self.member.finish(by)
        await offload.leave()
        await broadcast.leave(by)

    async def say_last(self) -> None:
        """Send what was said while no event loop ran."""
        loop = asyncio.get_running_loop()
        link = Link(self.channel, loop)
        link.answered = lambda *_: None  # who asked has gone with another loop
        self.member.attach(loop, link)
        await self.member.detach(loop.time() + LAST_WORDS)

    @property
    def line(self) -> Line:
        """Its line of the board."""
        return self.birth.estate.board.line(self.birth.line)

    @property
    def lines(self) -> Lines:
        return Lines(self.line, self.birth.estate.board.line(0))

    def stop_beating(self) -> None:
        """Say that no event loop beats here any more: what follows may block."""
        self.line[Field.BEAT] = 0
