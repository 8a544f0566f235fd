"""Who subscribed to what, and what waits for each: the hub without its sockets."""

from collections import deque
from collections.abc import Iterator

from prefork.bus import envelope
from prefork.bus.envelope import CARRIED, MAX_PAYLOAD, MOST_CHANNELS, Kind, Run
from prefork.errors import RemoteError

PIECE = 256 * 1024  # bytes that are taken at a time; what is taken can't be dropped any more
MOST_QUEUED = 2 * MAX_PAYLOAD  # bytes for one receiver; the largest message fits beside others
ENTRY = 128  # bytes that frames in a queue count for beside their own: so much do they cost us
HUB = 0  # the sender of what the hub itself says
WELCOME = envelope.encode(Kind.HELLO, HUB, 0)


class Member:
    """A worker at its line: what it subscribed to, and what waits until it reads.

    Who reads too slowly loses the oldest, is told how many, and nobody waits for it.
    """

    def __init__(self, name: str, most: int = MOST_QUEUED) -> None:
        self.name = name
        self.channels: set[bytes] = set()
        self.dropped = 0  # messages, ever
        self.sender: int | None = None  # by which it goes; None: it has said nothing yet
        self.has_greeted = False  # it has said all that it subscribes to
        self._most = most
        self._queue: deque[tuple[bytes, int]] = deque()  # frames, how many messages they are
        self._size = 0  # bytes that these count for
        self._missed = 0  # messages that it was not told of yet
        self._done = 0  # the number up to which it has to be acknowledged
        self._acknowledged = 0

    def put(self, frames: bytes, count: int) -> None:
        """Queue frames; drop the oldest where that is too much."""
        self._queue.append((frames, count))
        self._size += len(frames) + ENTRY
        while self._size > self._most and len(self._queue) > 1:
            oldest, lost = self._queue.popleft()
            self._size -= len(oldest) + ENTRY
            self._missed += lost
            self.dropped += lost

    def acknowledge(self, number: int) -> None:
        """Say, with what is taken next, that everything up to *number* is done."""
        self._done = max(self._done, number)  # what belongs to a greeting has none

    def take(self) -> bytes:
        """What waits longest, in one buffer: a piece of it, or one large message."""
        said = []
        if self._done != self._acknowledged:
            self._acknowledged = self._done
            said.append(envelope.encode(Kind.ACK, HUB, self._done))
        if self._missed:
            said.append(envelope.encode(Kind.MISSED, HUB, self._missed))
            self._missed = 0
        if self._size <= PIECE:
            said += [frames for frames, _ in self._queue]
            self._queue.clear()
            self._size = 0
        else:
            said += self._piece()
        return b"".join(said)

    def _piece(self) -> Iterator[bytes]:
        taken = 0
        while self._queue and taken < PIECE:
            frames, _ = self._queue.popleft()
            taken += len(frames)
            self._size -= len(frames) + ENTRY
            yield frames


class Router:
    """All members, and who of them gets what another one says.

    A hub that takes the place of another is given all lines at once, and is told what each of them
    subscribes to. Nobody is welcome before that, lest what they publish miss somebody.
    """

    def __init__(self) -> None:
        self.is_settled = False  # everybody who was there at the beginning has greeted
        self._members: set[Member] = set()
        self._subscribed: dict[bytes, list[Member]] = {}  # by channel

    def add(self, member: Member) -> None:
        self._members.add(member)

    def remove(self, member: Member) -> set[Member]:
        """Forget it, and tell all others; returns these."""
        self._members.discard(member)
        for channel in list(member.channels):
            self._unsubscribe(member, channel)
        gone = envelope.encode(Kind.GONE, HUB, 0, payload=member.name.encode())
        for other in self._members:
            other.put(gone, 0)
        return self._members

    def heed(self, sender: Member, data: bytes) -> set[Member]:
        """Do what whole frames of *sender* ask for; returns for whom there is something now.

        Raises RemoteError on what a worker has not to say.
        """
        touched = {sender}
        for run in envelope.runs(data):
            if sender.sender is None:
                sender.sender = run.sender
            elif sender.sender != run.sender:  # others would take what the real one says for old
                raise RemoteError("a worker spoke in another's name")
            if run.kind in CARRIED:
                touched.update(self._carry(sender, run, data[run.start : run.end]))
            elif run.kind == Kind.SUBSCRIBE:
                self._subscribe(sender, run.channel)
            elif run.kind == Kind.UNSUBSCRIBE:
                self._unsubscribe(sender, run.channel)
            elif run.kind == Kind.HELLO:
                touched |= self._greet(sender)
            else:
                raise RemoteError(f"a worker sent a frame of kind {run.kind} to the hub")
            sender.acknowledge(run.number)
        return touched

    def settle(self) -> set[Member]:
        """Welcome all who have greeted, and from now on each at once; returns them."""
        self.is_settled = True
        greeted = {each for each in self._members if each.has_greeted}
        for each in greeted:
            each.put(WELCOME, 0)
        return greeted

    def _greet(self, member: Member) -> set[Member]:
        member.has_greeted = True
        if self.is_settled:
            member.put(WELCOME, 0)
            return {member}
        return self.settle() if all(each.has_greeted for each in self._members) else set()

    def _carry(self, sender: Member, run: Run, frames: bytes) -> list[Member]:
        receivers = [each for each in self._subscribed.get(run.channel, ()) if each is not sender]
        for each in receivers:
            each.put(frames, run.messages)
        if run.kind == Kind.ASK:
            names = "\0".join(each.name for each in receivers).encode()
            sender.put(envelope.encode(Kind.ROLL, HUB, run.number, payload=names), 0)
        return receivers

    def _subscribe(self, member: Member, channel: bytes) -> None:
        if channel not in member.channels:
            if len(member.channels) == MOST_CHANNELS:
                raise RemoteError(f"a worker subscribed to more than {MOST_CHANNELS} channels")
            member.channels.add(channel)
            self._subscribed.setdefault(channel, []).append(member)

    def _unsubscribe(self, member: Member, channel: bytes) -> None:
        if channel in member.channels:
            member.channels.remove(channel)
            self._subscribed[channel].remove(member)
            if not self._subscribed[channel]:
                del self._subscribed[channel]
