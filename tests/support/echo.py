"""The application that sends back the body that it is sent."""

from tests.support.apps import Message, Receive, Send, answer, live


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Answer when the body is here as a whole."""
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    pieces, more = [], True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    await answer(send, b"".join(pieces))
