"""`prefork` whose primary logs what workers say, echoes what they ask, and relays to others.

python -m tests.support.talkative serve tests.support.talker_app:app …
"""

import json
import os
import sys
from contextlib import closing, suppress
from typing import Any

from prefork import boot, log
from prefork.boot.instance import Instance
from prefork.cli.main import main
from prefork.errors import ExitCode
from prefork.primary.children import Child
from prefork.primary.host import PosixHost
from prefork.primary.posts import Said
from prefork.primary.questions import Answer
from prefork.settings.schema import Settings

SEEN = b"seen by the primary"


class Talkative:
    def __init__(self, host: PosixHost) -> None:
        self._host = host
        self._flooded = 0
        host.reception.posts.received = self.receive

    def receive(self, child: Child, said: Said) -> None:
        for each in said.descriptors:
            with suppress(OSError):  # it can't be written to
                os.write(each, SEEN)
            os.close(each)
        value = said.value
        if isinstance(value, dict):
            self._obey(child, value)
        if said.number:
            self._host.reception.posts.reply(child.id, said.number, self._answer(said.value))

    def _obey(self, child: Child, order: dict[str, Any]) -> None:
        match order:
            case {"relay": slot, "times": times, **rest}:
                self._relay(slot, times, rest)
            case {"ask": slot, **rest}:
                self._ask(slot, rest)
            case {"flood": _}:
                self._flooded += 1
            case _:
                log.info("heard", **child.who, value=json.dumps(order))

    def _answer(self, value: Any) -> object:
        if value == "how many":
            return self._flooded
        return len(value) if isinstance(value, bytes) else value

    def _relay(self, slot: int, times: int, order: dict[Any, Any]) -> None:
        """Send it so often; with a pipe where that is asked for."""
        child = self._worker(slot)
        given = [0] * int(order.get("descriptors", 0))
        sent = [
            self._host.reception.posts.send(child.id, order | {"number": number}, given)
            for number in range(times)
        ]
        log.info("relayed", times=times, pressed=sent.count(False))

    def _ask(self, slot: int, order: dict[Any, Any]) -> None:
        def then(answer: Answer) -> None:
            log.info("answered", value=json.dumps(answer.value), failure=answer.failure)

        self._host.reception.posts.request(self._worker(slot).id, order, 5.0, then)

    def _worker(self, slot: int) -> Child:
        return next(child for child in self._host.children if child.slot == slot)


def serve(settings: Settings) -> int:
    with closing(Instance(settings)) as instance:
        Talkative(instance.host)
        return instance.run() if instance.begin() else ExitCode.OK


if __name__ == "__main__":
    boot.serve = serve
    sys.exit(main())
