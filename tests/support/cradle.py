"""The birth of a script's worker, and the primary's ends of it."""

import os
from contextlib import ExitStack, closing

from prefork.settings.schema import Settings
from prefork.wire import channel, handover, inquiry
from prefork.wire.board import Board
from prefork.wire.channel import Channel
from prefork.wire.estate import Entries, Estate, Launch, WorkerBirth

ENTRIES = Entries("template", "worker", "watcher", "capture", "errand")


class Cradle:
    """Worker 7 in slot 1, of generation 3, with line 2 of the board."""

    def __init__(self, primary: int, launch: Launch | None = None) -> None:
        with ExitStack() as opened:
            ours, theirs = channel.pair()
            self.channel = Channel(ours)
            sending, receiving = handover.pair()
            inquirer, respondent = inquiry.pair()
            for each in (self.channel, sending, theirs, receiving, inquirer, respondent):
                opened.enter_context(closing(each))
            self._opened = opened.pop_all()
        settings = Settings(app="shop:app", bind=("127.0.0.1:0",))
        estate = Estate(settings, 2, (), Board(4), primary, ENTRIES, "shop")
        self.birth = WorkerBirth(estate, 7, 1, 3, 2, theirs, receiving, (), respondent, launch)

    def close(self) -> None:
        self._opened.close()


def exit_code_of(pid: int) -> int:
    """Wait for the child's end; minus the number of the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
