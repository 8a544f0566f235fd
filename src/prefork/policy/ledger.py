"""What one worker was offered and has taken, and whether it makes progress."""

from dataclasses import dataclass

WINDOW = 32  # connections on the way to one worker; Node's window of 1 costs it half its throughput
LEGACY = 256  # likewise, where they were the last worker's of its slot: these come all at once
STUCK_AFTER = 0.2  # seconds without a connection taken while some wait
_ENDLESS = 2**31


@dataclass(slots=True)
class Account:
    """One worker's account.

    The primary writes *promised* and *sent*; *received* and *beat* are copies of what the worker
    wrote on the board, as last looked at. After a look, credit + promised + undelivered is the
    window, or the worker's room where that is less; a pick moves one from credit to promised, a
    send from promised to undelivered. What the worker takes turns into credit at the next look.
    """

    id: int
    slot: int
    promised: int = 0  # connections picked for it and not yet sent
    sent: int = 0  # connections offered, less those taken back
    received: int = 0  # of those, taken by the worker
    closed: int = 0  # of those received, no longer open; where all come from us
    accepted: int = 0  # connections ever taken, also from a listener of its own
    queued: int = 0  # waiting there for it to take them; 0 while it is full, when it does not
    credit: int = WINDOW  # below 0 where it inherits
    room: int = WINDOW  # how many more it may have, as last looked at
    beat: int = 0  # when its event loop last turned
    moved_at: float = 0.0  # when the oldest waiting connection began to wait for progress
    is_stuck: bool = False
    is_full: bool = False  # it has as many connections as it may
    is_unlimited: bool = False  # neither window nor room count any more

    @property
    def undelivered(self) -> int:
        return self.sent - self.received

    @property
    def pending(self) -> int:
        """How many connections wait for it to take them."""
        return self.undelivered + self.queued

    @property
    def takes(self) -> bool:
        """Whether it takes what comes to a listener of its own."""
        return not (self.is_stuck or self.is_full)

    @property
    def load(self) -> int:
        """How many connections it has, and will have, where all come from us."""
        return self.sent + self.promised - self.closed

    @property
    def is_open(self) -> bool:
        """Whether it may be given another connection."""
        return self.credit > 0 and not self.is_stuck

    @property
    def may_inherit(self) -> bool:
        """Whether it may be given another connection that was handed back in its slot.

        The window isn't for these: thousands would pass through it one by one.
        """
        has_room = self.is_unlimited or self.undelivered + self.promised < self.room
        return has_room and not self.is_stuck

    @property
    def is_inheriting(self) -> bool:
        """Whether as many of these are on their way as it is to have at a time."""
        return self.undelivered >= LEGACY and not self.is_unlimited and self.may_inherit

    def picked(self) -> None:
        """Count a connection that is promised to it, to be sent with its batch."""
        self.credit -= 1
        self.promised += 1

    def offered(self, count: int, now: float) -> None:
        """Count promised connections that are on their way now."""
        if self.pending == 0:
            self.moved_at = now
        self.promised -= count
        self.sent += count

    def refused(self, count: int) -> None:
        """Count promised connections that could not be sent; it is looked at before the next."""
        self.promised -= count
        if not self.is_unlimited:
            self.credit = 0

    def observe(self, received: int, beat: int, *, connections: int, room: int, now: float) -> None:
        """Note what its line on the board says. *room*: how many more connections it may have.

        A worker counts a connection as open, then as received. Read in the opposite order the
        difference never tells of more that were closed than were, and at its highest it is exact;
        the sum of what is open and what is on its way would count one twice, or not at all.
        """
        if received != self.received:
            self.received = received
            self.moved_at = now
            self.is_stuck = False
        if beat != self.beat:
            self.beat = beat
            self.is_stuck = False
        self.closed = max(self.closed, received - connections)
        self.room = room
        self.is_full = room <= 0
        if not self.is_unlimited:
            self.credit = min(WINDOW, room) - self.undelivered - self.promised

    def observe_queue(self, queued: int, accepted: int, now: float) -> None:
        """After `observe`, note how many wait at its own listener, and how many it ever took."""
        if accepted != self.accepted:
            self.accepted = accepted
            self.moved_at = now
            self.is_stuck = False
        elif queued and not self.pending:
            self.moved_at = now
        self.queued = 0 if self.is_full else queued

    def is_quiet(self, now: float) -> bool:
        """Whether it takes what comes, but nothing waits for it, and nothing has for a while."""
        return self.takes and not self.pending and now - self.moved_at >= STUCK_AFTER

    def judge(self, now: float) -> bool:
        """Whether it has just turned out to be stuck: judged by progress, not by its beat."""
        waits = self.pending > 0 and not self.is_unlimited
        late = waits and now - self.moved_at >= STUCK_AFTER
        turned = late and not self.is_stuck
        self.is_stuck = self.is_stuck or late
        return turned

    def unlimit(self) -> None:
        """Give it whatever is left at the end: the window is for steady state.

        What it is late to take then stays its own: nobody will be there to take it instead.
        """
        self.is_unlimited = True
        self.credit = _ENDLESS

    def taken_back(self, count: int) -> None:
        """Count offered connections that were received back before the worker took them."""
        self.sent -= count
        self.credit += count
