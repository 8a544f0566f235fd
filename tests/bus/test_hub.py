"""The hub as a process, over real lines: it serves whatever a worker does, or does not."""

import inspect
import os
import resource
import select
import selectors
import signal
import socket
import sys
from collections.abc import Iterator

import pytest
from tests.support import processes
from tests.support.hub import Hub
from tests.support.pacing import hold

from prefork.bus import envelope
from prefork.bus import hub as in_process
from prefork.bus.envelope import Frame, Gatherer, Kind
from prefork.bus.hub import SETTLING
from prefork.bus.routing import MOST_QUEUED, Member
from prefork.wire.channel import Channel, pair
from prefork.wire.messages import Leaving

CHAT = b"chat"
KILOBYTE, MEGABYTE = 1 << 10, 1 << 20


class Worker:
    """A worker at its line, without an event loop; welcome once it is made."""

    def __init__(self, hub: Hub, name: str, *channels: bytes) -> None:
        self._sock = hub.attach(name)
        self._sock.settimeout(20)
        self._gatherer = Gatherer()
        self._number = 0
        self._heard: list[Frame] = []
        self._name = int.from_bytes(name.encode())
        for channel in channels:
            self.say(Kind.SUBSCRIBE, channel)
        self.say(Kind.HELLO)
        self.hear(Kind.HELLO)

    def fileno(self) -> int:
        return self._sock.fileno()

    def say(self, kind: Kind, channel: bytes = b"", payload: bytes = b"") -> int:
        self._number += 1
        self.send(envelope.encode(kind, self._name, self._number, channel, payload))
        return self._number

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def publish(self, payload: bytes) -> None:
        """Publish, and wait until it is acknowledged."""
        number = self.say(Kind.PUBLISH, CHAT, payload)
        while self.hear(Kind.ACK).number < number:
            continue

    def hear(self, kind: Kind) -> Frame:
        """Return the next frame of this kind."""
        while True:
            found = next((each for each in self._heard if each.kind == kind), None)
            if found is not None:
                self._heard.remove(found)
                return found
            data = self._sock.recv(MEGABYTE)
            assert data, "the hub has hung up"
            self._heard += envelope.frames(self._gatherer.feed(data))

    def is_left(self) -> bool:
        """Whether the hub hangs up."""
        try:
            while self._sock.recv(MEGABYTE):
                continue
        except ConnectionResetError:
            return True
        return True

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as running:
        yield running


def test_a_message_arrives_as_it_was_sent_whatever_its_size(hub: Hub) -> None:
    one, two = Worker(hub, "one"), Worker(hub, "two", CHAT)
    for size in (0, 1, KILOBYTE, MEGABYTE, 16 * MEGABYTE):
        one.say(Kind.PUBLISH, CHAT, bytes(size))
        assert two.hear(Kind.PUBLISH).payload == bytes(size)


def test_a_worker_that_never_reads_costs_the_others_nothing_and_the_hub_no_memory(
    hub: Hub,
) -> None:
    one, two, stuck = (Worker(hub, name, CHAT) for name in ("one", "two", "stuck"))
    message = bytes(64 * KILOBYTE)
    for turn in range(3 * MOST_QUEUED // len(message)):
        if turn == 2 * MOST_QUEUED // len(message):
            before = processes.own_rss(hub.pid)
        one.publish(message)
        assert two.hear(Kind.PUBLISH).payload == message
    assert processes.own_rss(hub.pid) - before < 8 * MEGABYTE
    [told] = hub.journal.wait_for("bus_slow_receiver")
    assert told["name"] == "stuck"
    assert stuck.hear(Kind.PUBLISH).number < stuck.hear(Kind.MISSED).number


def test_a_worker_that_dies_is_gone_for_the_others(hub: Hub) -> None:
    one, two = Worker(hub, "one", CHAT), Worker(hub, "two", CHAT)
    two.close()
    assert one.hear(Kind.GONE).payload == b"two"
    one.publish(b"alone")


def test_garbage_costs_a_worker_its_line_and_nobody_else(hub: Hub) -> None:
    one, two, three = (Worker(hub, name, CHAT) for name in ("one", "two", "three"))
    two.send(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n")
    assert two.is_left()
    one.publish(b"hello")
    assert three.hear(Kind.PUBLISH).payload == b"hello"
    [told] = hub.journal.wait_for("bus_garbage")
    assert told["name"] == "two"


def test_whoever_says_nothing_is_waited_for_a_second_at_the_start_and_never_again() -> None:
    with Hub() as hub:
        hub.attach("silent")
        Worker(hub, "one").publish(b"hello")


def test_the_second_begins_with_the_first_line_for_the_primary_may_be_late() -> None:
    with Hub() as hub:
        hold(1.5 * SETTLING)
        lines = [hub.attach(name) for name in ("one", "two")]
        for sender, line in enumerate(lines):
            line.send(envelope.encode(Kind.HELLO, sender, 0))
            if sender == 0:
                assert select.select([line], [], [], SETTLING / 5)[0] == []
        for line in lines:
            assert line.recv(KILOBYTE) == envelope.encode(Kind.HELLO, 0, 0)


def test_lines_that_it_has_no_descriptor_for_end_and_that_is_told_once(hub: Hub) -> None:
    one = Worker(hub, "one")
    used = {int(each) for each in os.listdir(f"/proc/{hub.pid}/fd")}
    free = min(set(range(len(used) + 1)) - used)
    resource.prlimit(hub.pid, resource.RLIMIT_NOFILE, (free, free))
    for name in ("two", "three", "four"):
        line = hub.attach(name)
        line.settimeout(20)
        assert line.recv(1) == b""
    one.publish(b"it serves on")
    one.close()
    assert hub.stop() == 0
    assert hub.journal.ended()
    [told] = hub.journal.entries("bus_attach_failed")
    assert told["name"] == "two"


def test_however_many_lines_end_at_once_it_serves_on() -> None:
    channel, theirs = pair()
    it = in_process.Hub(Channel(channel))
    ends: list[socket.socket] = []
    for number in range(200):
        ours, end = socket.socketpair()
        ends.append(end)
        member = Member(str(number))
        it._lines[member] = line = in_process.Line(ours, member)
        it._router.add(member)
        it._selector.register(ours, selectors.EVENT_READ, line)
    for end in ends[:-1]:
        end.close()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        it._flush(it._end(next(iter(it._lines.values()))))
    finally:
        sys.setrecursionlimit(limit)
    [left] = it._lines.values()
    assert left.member.name == "199"
    for sock in (channel, theirs, left.sock, ends[-1], it._selector):
        sock.close()


def test_signals_do_not_end_it_for_workers_may_still_publish(hub: Hub) -> None:
    one, two = Worker(hub, "one"), Worker(hub, "two", CHAT)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(hub.pid, number)
    one.publish(b"hello")
    assert two.hear(Kind.PUBLISH).payload == b"hello"


def test_told_to_stop_it_goes_when_the_last_line_has_ended(hub: Hub) -> None:
    one, two = Worker(hub, "one"), Worker(hub, "two", CHAT)
    one.publish(b"last words")
    one.close()
    two.close()
    assert hub.stop(grace=20) == 0


def test_told_to_stop_it_goes_at_the_deadline_though_somebody_stays(hub: Hub) -> None:
    Worker(hub, "one")
    assert hub.stop(grace=0.1) == 0


def test_without_its_primary_it_goes(hub: Hub) -> None:
    with processes.Watch([hub.pid]) as watch:
        hub._channel.close()
        assert watch.left(10) == []


def test_what_is_no_order_ends_it(hub: Hub) -> None:
    with processes.Watch([hub.pid]) as watch:
        hub._channel.send(Leaving())
        assert watch.left(10) == []
    assert "the primary sent Leaving" in hub.journal.text


def test_a_worker_that_gets_another_line_loses_the_one_it_had(hub: Hub) -> None:
    first, other = Worker(hub, "shop/1", CHAT), Worker(hub, "shop/2", CHAT)
    second = Worker(hub, "shop/1", CHAT)
    assert other.hear(Kind.GONE).payload == b"shop/1"
    with pytest.raises(AssertionError, match="hung up"):
        first.hear(Kind.ACK), first.hear(Kind.PUBLISH)
    other.publish(b"x")
    assert second.hear(Kind.PUBLISH).payload == b"x"
