"""The workers that connections are given to: who is in rotation, who takes them, who does not."""

from collections.abc import Iterator, Sequence

from prefork import log
from prefork.core.facts import Misbehaved
from prefork.policy.ledger import Account
from prefork.primary import mail
from prefork.primary.arrivals import Connection
from prefork.primary.children import Child
from prefork.primary.listeners import Listener
from prefork.primary.recipient import Recipient
from prefork.wire.board import Board


class Crew:
    def __init__(self, board: Board) -> None:
        self._board = board
        self._recipients: dict[int, Recipient] = {}  # by id; also those told to stop
        self._serving: dict[int, Account] = {}  # by id, of those in rotation
        self._remains: list[Recipient] = []  # of the dead: what nobody could take back yet
        self._blamed: list[Misbehaved] = []

    def __iter__(self) -> Iterator[Recipient]:
        return iter(self._recipients.values())

    def __getitem__(self, id: int) -> Recipient:
        return self._recipients[id]

    def join(self, child: Child, queues: Sequence[Listener], now: float) -> Account:
        """Count a worker as in rotation. *queues*: those that only its slot takes from."""
        new = Recipient(child, self._board.line(child.line), queues)
        recipient = self._recipients.setdefault(child.id, new)  # the old one, after a suspension
        recipient.look(now)
        self._recipients[child.id] = recipient
        self._serving[child.id] = recipient.account
        return recipient.account

    def leave(self, id: int) -> Recipient | None:
        """Count it so no more, where it was. What it was given it still takes."""
        self._serving.pop(id, None)
        return self._recipients.get(id)

    def relieve(self, id: int, now: float) -> list[Connection]:
        """Give back what it has not taken."""
        recipient = self._recipients.get(id)
        if recipient is None:
            return []
        recipient.look(now)
        back = recipient.take_back()
        if back:
            slot = recipient.account.slot
            log.info("connections_taken_back", slot=slot, connections=len(back))
        return back

    def blame(self, recipient: Recipient) -> None:
        """Have it killed: it has shut its hand-over."""
        self.leave(recipient.child.id)
        self._blamed.append(mail.blame(recipient.child, "shut its hand-over"))

    def take_blamed(self) -> list[Misbehaved]:
        """Give those that were found to be at fault since the last call."""
        blamed, self._blamed = self._blamed, []
        return blamed

    def bury(self, id: int) -> Recipient | None:
        """Forget it."""
        self.leave(id)
        return self._recipients.pop(id, None)

    def take_back(self, dead: Recipient) -> list[Connection]:
        """Receive what it has not taken; what no descriptor is free for, `examine` gives later."""
        back = dead.take_back()
        if back:
            log.info("connections_taken_back", slot=dead.child.slot, connections=len(back))
        if dead.left:
            dead.outlive()
            self._remains.append(dead)
        return back

    def load(self, now: float) -> int:
        """How many connections all have, and will have, where all come from us."""
        for each in self:
            each.look(now)
        return sum(each.load for each in self)

    def served(self) -> set[int]:
        """Slots whose worker takes what comes to it; where none does, those that have one."""
        accounts = self._serving.values()
        taking = {each.slot for each in accounts if each.takes}
        return taking or {each.slot for each in accounts}

    def are_quiet(self, now: float) -> bool:
        """Whether all in rotation would take what comes, and nothing came for a while."""
        return all(each.is_quiet(now) for each in self._serving.values())

    def examine(self, now: float) -> list[Connection]:
        """See whether they take what waits for them; give back what a stuck one didn't."""
        back: list[Connection] = []
        for dead in self._remains:
            back += dead.take_back()
            if not dead.left:
                dead.close()
        self._remains = [each for each in self._remains if each.left]
        for id, each in self._recipients.items():
            if each.account.undelivered or (each.has_queues and id in self._serving):
                each.look(now)
                if each.account.judge(now):
                    back += self._relieve(each)
                elif each.left and (each.account.is_stuck or id not in self._serving):
                    back += each.take_back()  # there was no descriptor for it before
        return back

    def are_owed(self) -> bool:
        """Whether any was sent what it has not taken, or what it left is still to be had."""
        return bool(self._remains) or any(each.account.undelivered for each in self)

    def _relieve(self, stuck: Recipient) -> list[Connection]:
        back = stuck.take_back()
        child, account = stuck.child, stuck.account
        log.warning(
            "worker_stuck",
            slot=child.slot,
            pid=child.pid,
            connections_taken_back=len(back),
            connections_queued=account.queued,
        )
        return back
