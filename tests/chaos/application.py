"""What is served in the chaos: it says who answered, and blocks its worker when asked to."""

import os
import time
from urllib.parse import parse_qs

from tests.support import pacing
from tests.support.apps import Message, Receive, Send, answer, live, read, tell

BUSY = 0.003  # seconds for an answer: so some are always under way
CODE = """\
import time
from tests.chaos.application import App
from tests.support import pacing
{at_import}
app = App("{version}")
# {place} {at_startup}
"""


class App:
    def __init__(self, version: str) -> None:
        self._version = version

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send)
        elif scope["type"] == "websocket":
            await self._talk(receive, send)
        else:
            await read(receive)
            if scope["path"] == "/wedge":
                wedge(float(parse_qs(scope["query_string"].decode())["seconds"][0]))
            await pacing.think(BUSY)
            await answer(send, self._name())

    async def _talk(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": self._name().decode()})

    def _name(self) -> bytes:
        return f"{os.getpid()} {self._version}".encode()


def wedge(seconds: float) -> None:
    """Block the event loop; say since when, by the clock that all processes share."""
    tell(f"wedged for {seconds} at {time.monotonic()}")
    pacing.hold(seconds)
