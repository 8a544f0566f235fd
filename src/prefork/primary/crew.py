"""The workers that connections are given to: who is in rotation, who takes them, who does not."""

from collections.abc import Collection, Iterator

from prefork import log
from prefork.core.facts import Misbehaved
from prefork.policy.ledger import Account
from prefork.primary import mail
from prefork.primary.arrivals import Connection
from prefork.primary.children import Child
from prefork.primary.recipient import Recipient
from prefork.primary.rota import Rotas
from prefork.primary.rules import Rules
from prefork.wire.board import Board


class Crew:
    def __init__(self, board: Board, rules: Rules, addresses: Collection[int]) -> None:
        """*addresses*: those that every worker serves, unasked."""
        self._board = board
        self._rules = rules
        self._rotas = Rotas(rules.policy)
        self._addresses = addresses
        self._recipients: dict[int, Recipient] = {}  # by id; also those told to stop
        self._serving: dict[int, Account] = {}  # by id, of those in rotation
        self._remains: list[Recipient] = []  # of the dead: what nobody could take back yet
        self._blamed: list[Misbehaved] = []
        self._now = 0.0
        self._seen: set[int] = set()  # ids of those that were looked at for this batch

    def __iter__(self) -> Iterator[Recipient]:
        return iter(self._recipients.values())

    def enter(self, child: Child) -> Recipient:
        """Give what is known of a worker; before it is in rotation, where it asks to listen."""
        if child.id not in self._recipients:
            line, identify = self._board.line(child.line), self._rules.identify
            self._recipients[child.id] = Recipient(child, line, self._addresses, identify)
        return self._recipients[child.id]

    def serves(self, id: int, address: int) -> bool:
        """Whether the worker serves the address, or will as soon as it is in rotation."""
        recipient = self._recipients.get(id)
        return recipient is not None and address in recipient.addresses

    def join(self, recipient: Recipient, now: float) -> None:
        """Count a worker as in rotation for all that it serves."""
        recipient.look(now)
        self._serving[recipient.child.id] = recipient.account
        self._rotas.join(recipient.account, recipient.addresses)

    def leave(self, id: int) -> Recipient | None:
        """Count it so no more, where it was. What it was given it still takes."""
        self._serving.pop(id, None)
        recipient = self._recipients.get(id)
        if recipient is not None:
            self._rotas.leave(id, recipient.addresses)
        return recipient

    def listen(self, recipient: Recipient, address: int) -> None:
        """Count it among those that serve the address."""
        recipient.serve(address)
        if recipient.child.id in self._serving:
            self._rotas.join(recipient.account, [address])

    def unlisten(self, recipient: Recipient, address: int) -> None:
        """Count it so no more. What it was given it still takes."""
        recipient.addresses.discard(address)
        self._rotas.leave(recipient.child.id, [address])

    def wanted(self) -> set[int]:
        """Addresses that every worker serves, and those that one serves or asked for."""
        return set(self._addresses).union(*(each.addresses for each in self))

    def are_there(self, address: int) -> bool:
        """Whether anybody is in rotation for the address."""
        return address in self._rotas

    def give(self, address: int, connections: list[Connection], now: float) -> list[Connection]:
        """Hand out what came to an address; return what nobody has room for."""
        self._now = now
        self._seen.clear()
        parcels, rest = self._rotas.deal(address, connections, self._look)
        for (id, _), batch in parcels.items():
            recipient = self._recipients[id]
            rest += recipient.send(address, batch, now)
            if recipient.is_shut:  # or it would be given the same again; its death follows
                self.blame(recipient)
        return rest

    def can_wait(self, slot: int, now: float) -> bool:
        """Whether what was handed back in the slot had better wait for the one that inherits it."""
        self._now = now
        self._seen.clear()
        return self._rotas.can_wait(slot, self._look)

    def _look(self, account: Account) -> None:
        """Look at a worker once for a batch, and again where it has no room left."""
        if account.id not in self._seen or not account.is_open:
            self._seen.add(account.id)
            self._recipients[account.id].look(self._now)

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

    def served(self) -> dict[int, set[int]]:
        """By address: slots whose worker takes what comes to it; where none does, all it has.

        An address for which nobody is in rotation isn't there.
        """
        taking: dict[int, set[int]] = {}
        others: dict[int, set[int]] = {}
        for id, account in self._serving.items():
            kind = taking if account.takes else others
            for address in self._recipients[id].addresses:
                kind.setdefault(address, set()).add(account.slot)
        return others | taking

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
