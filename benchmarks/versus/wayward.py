"""The application of the rows: it tells its pid, and misbehaves when asked to."""

import os
from urllib.parse import parse_qs

from tests.support import pacing
from tests.support.apps import FOREVER, Message, Receive, Send, answer, live, read, tell

MODULE = f"{__name__}:app"


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Answer with the pid, after having behaved as the path asks."""
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    await read(receive)
    if scope["path"] == "/endless":
        tell("endless")
        await pacing.think(FOREVER)
    elif scope["path"] == "/wedge":
        tell("wedged")
        pacing.hold(float(parse_qs(scope["query_string"].decode())["seconds"][0]))
    await answer(send, b"%d" % os.getpid())
