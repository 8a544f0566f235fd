"""The program beside a script that is its pool: an instance with a guest, and nothing to serve.

The script has started it, and speaks to it as a worker does to its primary. It ends with the
script, whatever ended that.
"""

import os
import selectors
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, suppress

from prefork import log
from prefork.boot.instance import Instance
from prefork.core.facts import (
    Fact,
    Leaving,
    Misbehaved,
    QuitRequested,
    ReloadRequested,
    ScaleRequested,
    StopRequested,
)
from prefork.core.orders import AnnounceReady, Order
from prefork.errors import AddressError, AppError, ExitCode, PreforkError, SettingsError
from prefork.primary.children import Child
from prefork.primary.loop import Unobserved
from prefork.settings.schema import Settings
from prefork.wire import frames, invitation, messages
from prefork.wire.descriptors import duplicates
from prefork.wire.invitation import Invitation
from prefork.wire.messages import Failed, Welcome

STANDARD_INPUT = 0


class Usher(Unobserved):
    """Welcomes the guest when the pool is up, and sees to it that all ends when that goes."""

    def __init__(self) -> None:
        self.instance: Instance | None = None
        self.guest: Child | None = None
        self._wishes: list[Fact] = []  # that the fleet is to be told of

    def admit(self, instance: Instance, end: socket.socket, script: int) -> None:
        """Have the script of this pid for a guest. *end*: ours of the channel."""
        host = instance.host
        self.instance = instance
        self.guest = host.births.take_in(instance.fleet.reserve().id, end)
        if os.getppid() != script:
            return  # it was started by another one in between; or is dead, as the channel tells
        with suppress(AttributeError, OSError):  # not Linux, or a sandbox: the channel has to do
            handle = os.pidfd_open(script)
            host.selector.register(handle, selectors.EVENT_READ, lambda _: self._outlive(handle))

    def takes(self, fact: Fact) -> bool:
        match fact:
            case ReloadRequested() | ScaleRequested():
                reason = "it is a script's pool, and runs the script's code as it is"
                log.warning("request_refused", reason=reason)
            case Leaving(id) if self._is_guest(id):
                self._wishes.append(StopRequested())
            case Misbehaved(id) if self._is_guest(id):
                self._wishes.append(QuitRequested())
            case _:
                return False
        return True

    def obeyed(self, order: Order) -> None:
        if not isinstance(order, AnnounceReady) or self.instance is None or self.guest is None:
            return
        host, guest = self.instance.host, self.guest
        welcome = Welcome(guest.id, guest.line, str(self.instance.control))
        self._wishes += host.reception.say(guest, welcome, duplicates([host.estate.board]))

    def ended(self, id: int) -> None:
        if self._is_guest(id):
            self._wishes.append(QuitRequested())

    def speak(self) -> None:
        wishes, self._wishes = self._wishes, []
        for each in wishes:
            assert self.instance is not None, "there is no wish before there is a guest"
            self.instance.primary.tell(each)

    def _is_guest(self, id: int) -> bool:
        return self.guest is not None and self.guest.id == id

    def _outlive(self, handle: int) -> Iterator[Fact]:
        """The script is dead; somebody that it has forked may hold its end of the channel."""
        assert self.instance is not None, "it is called by its selector"
        self.instance.host.selector.unregister(handle)
        os.close(handle)
        yield QuitRequested()


def main() -> int:
    """Be a script's pool. Returns the exit code."""
    invited = invitation.read(STANDARD_INPUT)
    end = socket.socket(fileno=invited.channel)
    end.set_inheritable(False)
    # Until we exit, so that the script sees the channel end no earlier; and to say why we do.
    with end.dup() as last:
        try:
            return _run(invited, end)
        except PreforkError as error:
            _confess(last, error)
            return error.exit_code


def _run(invited: Invitation, end: socket.socket) -> int:
    usher = Usher()
    made = Instance(Settings.of(invited.settings), usher, main=invited.main)
    with closing(made) as instance:
        usher.admit(instance, end, invited.pid)
        return instance.run() if instance.begin() else ExitCode.OK


def _confess(last: socket.socket, error: PreforkError) -> None:
    """Tell the script why there is no pool."""
    stage = "startup"
    if isinstance(error, AddressError | SettingsError):
        stage = "address" if isinstance(error, AddressError) else "settings"
    detail = error.detail if isinstance(error, AppError) else ""
    last.setblocking(True)
    with suppress(OSError):  # it has gone, and nobody is there to hear it
        last.sendall(frames.encode(messages.encode(Failed(stage, str(error), detail))))


if __name__ == "__main__":
    sys.exit(main())
