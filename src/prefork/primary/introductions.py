"""Lines between workers and the hub: the primary lays them, and never sees what goes over them."""

from collections.abc import Callable, Iterable

from prefork.core.facts import Fact, HubWanted
from prefork.core.process import Role
from prefork.primary import mail
from prefork.primary.children import Child
from prefork.wire import channel
from prefork.wire.complaint import Complaint
from prefork.wire.descriptors import close_all
from prefork.wire.messages import HUB, Attach, FromPrimary, Introduce

TRY_AGAIN = 1.0  # seconds after which a line is laid that could not be

Say = Callable[[Child, FromPrimary, list[int] | None], list[Fact]]


class Introductions:
    """Who has wanted a line gets one to every hub that there will be, as soon as it is ready."""

    def __init__(self, say: Say, name: Callable[[int], str]) -> None:
        """*name*: what a worker of this id is called on the bus."""
        self._say = say
        self._name = name
        self._hub: Child | None = None  # that is ready
        self._wanting: dict[int, Child] = {}  # by id
        self._laid: dict[int, float] = {}  # by id: when it got its last line
        self._owed: set[int] = set()  # ids of those whose line could not be laid yet
        self._try_at = 0.0
        self._trouble = Complaint("hub_line_not_laid")

    def want(self, child: Child, now: float) -> list[Fact]:
        """Hear that a worker wants a line; anew, where its end was lost on the way.

        Nobody gets more than one a second: each costs the hub a descriptor, and us one until it is
        read.
        """
        if child.role is not Role.WORKER:
            return [mail.blame(child, "asked for a line to the hub")]
        self._wanting[child.id] = child
        if self._hub is not None and now < self._laid.get(child.id, -TRY_AGAIN) + TRY_AGAIN:
            self._owe(child, now)
            return []
        return [HubWanted(), *self._introduce([child], now)]

    def open(self, hub: Child, now: float) -> list[Fact]:
        """Introduce all that want it to a hub that is ready."""
        self._hub = hub
        self._owed.clear()
        return self._introduce(self._wanting.values(), now)

    def bury(self, child: Child) -> None:
        """Forget who has died."""
        if self._hub is child:
            self._hub = None
        self._wanting.pop(child.id, None)
        self._laid.pop(child.id, None)

    def next_check(self) -> float | None:
        return self._try_at if self._owed else None

    def check(self, now: float) -> Iterable[Fact]:
        """Lay what could not be laid; to those who read what they were sent before."""
        if not self._owed or now < self._try_at:
            return []
        owed, self._owed = self._owed, set()
        wanting = [child for id, child in self._wanting.items() if id in owed]
        for child in wanting:
            if child.channel.has_unsent:
                self._owe(child, now)
        return self._introduce([each for each in wanting if each.id not in self._owed], now)

    def _introduce(self, children: Iterable[Child], now: float) -> list[Fact]:
        """Lay their lines. The hub gets all its ends before any worker does.

        Or who is quick would publish through a hub that does not know yet who else subscribes.
        """
        if self._hub is None:
            return []
        laid = [(child, *self._attach(self._hub, child, now)) for child in children]
        facts = [fact for _, _, told in laid for fact in told]
        for child, end, _ in laid:
            facts += [] if end is None else self._give(child, end, now)
        return facts

    def _attach(self, hub: Child, child: Child, now: float) -> tuple[int | None, list[Fact]]:
        """Give the hub its end; return the worker's, unless there is none to be had."""
        try:
            ours, theirs = channel.pair()
            end = ours.detach()
            try:
                return end, self._say(hub, Attach(self._name(child.id)), [theirs.detach()])
            except OSError:
                close_all([end])  # what was given to `say` it has closed
                raise
        except OSError as error:
            self._fail(child, error, now)
            return None, []

    def _give(self, child: Child, end: int, now: float) -> list[Fact]:
        try:
            self._laid[child.id] = now
            return self._say(child, Introduce(HUB), [end])
        except OSError as error:
            self._fail(child, error, now)
            return []

    def _fail(self, child: Child, error: OSError, now: float) -> None:
        self._trouble.tell(now, **child.who, reason=error.strerror)
        self._owe(child, now)

    def _owe(self, child: Child, now: float) -> None:
        if not self._owed:  # else whoever asks and asks would have all others wait
            self._try_at = now + TRY_AGAIN
        self._owed.add(child.id)
