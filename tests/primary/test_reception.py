"""What children ask of the primary: who may ask for listeners, and who is blamed for it."""

import os
import selectors
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from prefork.core.facts import Fact, Misbehaved
from prefork.core.process import Role
from prefork.policy.schemes import SCHEMES
from prefork.primary.acceptor import Acceptor
from prefork.primary.aides import Aides
from prefork.primary.children import Child
from prefork.primary.host import PosixHost
from prefork.primary.listeners import Listeners
from prefork.primary.openings import Openings
from prefork.primary.rules import Rules
from prefork.primary.signals import Signals
from prefork.settings.schema import Settings
from prefork.wire import channel, handover
from prefork.wire.board import Board
from prefork.wire.channel import Channel
from prefork.wire.estate import Entries, Estate
from prefork.wire.messages import FromPrimary, Listen, Listening, ToPrimary, Unlisten

ENTRIES = Entries("template", "worker", "watcher", "capture", "errand")
LOOPBACK = "127.0.0.1"


class Rig:
    """A host with one child, whose end of the channel is the test's."""

    def __init__(self, host: PosixHost, role: Role = Role.WORKER) -> None:
        ours, theirs = channel.pair()
        self.host = host
        self.child = Child(1, role, 1, 1, Channel(ours), slot=0, pid=2**22)
        self.child.handover, self.child.kept = handover.pair()
        self.theirs = Channel(theirs)
        host.children.add(self.child)
        host._talk.begin(self.child)

    def say(self, *messages: ToPrimary) -> list[Fact]:
        for each in messages:
            self.theirs.send(each)
        return list(self.host.wait(self.host.now()))

    def heard(self) -> list[FromPrimary | ToPrimary]:
        return self.theirs.receive()


@pytest.fixture(params=["rr", "shared"])
def host(request: pytest.FixtureRequest) -> Iterator[PosixHost]:
    """One whose workers may ask."""
    estate = Estate(Settings(app="a:b"), 1, (), Board(8), os.getpid(), ENTRIES)
    scheme = SCHEMES[request.param]
    signals = Signals.__new__(Signals)
    signals._before = {}
    signals._reading, signals._writing = os.pipe()
    with closing(selectors.DefaultSelector()) as selector:
        listeners = Listeners([], 16, scheme.accepts)
        acceptor = Acceptor(listeners, Rules(scheme.policy), estate.board, selector)
        host = PosixHost(estate, Aides(estate), signals, selector, acceptor)
        host.reception.openings = Openings(listeners, acceptor, host.reception.say)
        yield host
        acceptor.close(0.0)
        for child in host.children:
            child.close()
    signals.close()


def test_a_worker_is_answered_on_its_channel_with_its_own_socket_where_it_accepts(
    host: PosixHost,
) -> None:
    rig = Rig(host)
    assert rig.say(Listen(5, LOOPBACK), Listen(6, LOOPBACK, index=1)) == []
    said = [each for each in rig.heard() if isinstance(each, Listening)]
    assert [(each.ticket, each.address) for each in said] == [(5, 0), (6, 1)]
    for answer in said:
        for each in rig.theirs.claim(answer.own) if answer.own else ():
            with socket.socket(fileno=each) as own:
                assert answer.bound == "{}:{}".format(*own.getsockname())
    assert rig.say(Unlisten(0)) == []
    assert rig.say(Unlisten(0)) == [Misbehaved(1)]
    rig.theirs.close()


@pytest.mark.parametrize("message", [Listen(1, LOOPBACK), Unlisten(0)], ids=["listen", "unlisten"])
def test_a_template_may_not_ask(host: PosixHost, message: ToPrimary) -> None:
    rig = Rig(host, Role.TEMPLATE)
    assert rig.say(message) == [Misbehaved(1)]
    assert rig.heard() == []
    rig.theirs.close()


@pytest.mark.parametrize("message", [Listen(1, LOOPBACK), Unlisten(0)], ids=["listen", "unlisten"])
def test_a_worker_that_was_declared_may_not_ask(host: PosixHost, message: ToPrimary) -> None:
    host.reception.openings = None
    rig = Rig(host)
    assert rig.say(message) == [Misbehaved(1)]
    assert rig.heard() == []
    rig.theirs.close()
