"""What workers ask of the primary beside their work: lines, listeners, a word of their room."""

from collections.abc import Iterable

from prefork.core.facts import Fact
from prefork.core.process import Role
from prefork.primary import mail
from prefork.primary.acceptor import Acceptor
from prefork.primary.children import Child
from prefork.primary.conversation import Conversation
from prefork.primary.introductions import Introductions
from prefork.primary.loop import Observer, Unobserved
from prefork.primary.openings import Openings
from prefork.primary.pools import Pools
from prefork.primary.posts import Posts
from prefork.wire import messages
from prefork.wire.messages import Condemn, ForHost, Listen, Nudge, Online, Unlisten, Want


class Reception:
    """Hears what the core has no need to know."""

    def __init__(
        self,
        talk: Conversation,
        acceptor: Acceptor,
        posts: Posts,
        introductions: Introductions,
        pools: Pools,
    ) -> None:
        self._acceptor = acceptor
        self.posts = posts
        self.introductions = introductions
        self.pools = pools
        self.say = talk.say
        self.openings: Openings | None = None  # None: workers serve what was opened at the start
        self.observer: Observer = Unobserved()
        talk.heed, talk.lost = self._heed, self._lose

    def bury(self, child: Child, status: int) -> list[Fact]:
        """Hear the last of one that has died."""
        self.posts.bury(child)
        self.introductions.bury(child)
        if self.openings:
            self.openings.bury(child)
        return self.pools.bury(child, status)

    def _heed(self, child: Child, message: ForHost, now: float) -> Iterable[Fact]:
        match message:
            case Nudge():
                self._acceptor.resume(now)
            case Online():
                self.observer.online(child.id)
            case Want(kind):
                return self._lay(child, kind, now)
            case Condemn():
                return self.pools.condemn(child, message)
            case Listen() | Unlisten() if self.openings and child.role is Role.WORKER:
                return self.openings.heed(child, message, now)
            case Listen() | Unlisten():
                return [mail.blame(child, f"said {type(message).__name__}")]
        return []

    def _lay(self, child: Child, kind: str, now: float) -> Iterable[Fact]:
        match kind:
            case messages.POST:
                return self.posts.mailboxes.want(child, now)
            case messages.HUB:
                return self.introductions.want(child, now)
            case messages.POOL:
                return self.pools.want(child, now)
            case _:
                return [mail.blame(child, "wanted a line of no kind")]

    def _lose(self, child: Child) -> None:
        """Note that its channel has ended."""
        self.observer.ended(child.id)
