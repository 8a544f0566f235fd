"""A WebSocket's client in the rig, and what applications do with it."""

# ruff: noqa: ARG001 - an application takes what the protocol gives

import socket
from typing import Any

from tests.http.frames import CLOSE, CONT, KEY, frame
from tests.worker.rig import Answer, Client, Message, Rig

ACCEPT = {"type": "websocket.accept"}


def asking(path: str = "/ws", *fields: bytes) -> bytes:
    """A handshake."""
    lines = [
        b"GET " + path.encode() + b" HTTP/1.1",
        b"Host: a",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: " + KEY,
        *fields,
    ]
    return b"\r\n".join([*lines, b"", b""])


class Talker:
    """A client whose handshake was accepted."""

    def __init__(self, client: Client, answer: Answer) -> None:
        self.client = client
        self.answer = answer

    async def say(self, *frames: bytes) -> None:
        await self.client.send(b"".join(frames))

    async def hear(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame."""
        head = await self.client.exactly(2)
        size = head[1]
        if size >= 126:
            size = int.from_bytes(await self.client.exactly(2 if size == 126 else 8), "big")
        return head[0] & 0x0F, await self.client.exactly(size)

    async def closed(self) -> int:
        """The code of the close frame that comes next; it is answered."""
        opcode, payload = await self.hear()
        assert opcode == CLOSE, (opcode, payload)
        await self.say(frame(CLOSE, payload))
        return int.from_bytes(payload[:2], "big")


async def talk(
    made: Rig, *fields: bytes, path: str = "/ws", family: int = socket.AF_UNIX
) -> Talker:
    """Connect, and be accepted."""
    client = await made.connect(family)
    answer = await client.get(asking(path, *fields))
    assert answer.status == 101, answer.status
    return Talker(client, answer)


async def echo(scope: Message, receive: Any, send: Any) -> None:
    """Accept, and send back what comes until the client closes."""
    assert await receive() == {"type": "websocket.connect"}
    await send(ACCEPT)
    while (message := await receive())["type"] == "websocket.receive":
        await send(message | {"type": "websocket.send"})


class Collector:
    """Accepts, and keeps what it receives, up to the disconnect."""

    def __init__(self) -> None:
        self.scope: Message = {}
        self.received: list[Message] = []
        self.is_done = False

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        self.scope = scope
        await send(ACCEPT)
        while not self.received or self.received[-1]["type"] != "websocket.disconnect":
            self.received.append(await receive())
        self.is_done = True

    @property
    def disconnect(self) -> tuple[int, str]:
        last = self.received[-1]
        return last["code"], last["reason"]


def fragments(opcode: int, data: bytes, size: int) -> list[bytes]:
    """A message in frames of that size."""
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return [
        frame(CONT if number else opcode, part, fin=number == len(parts) - 1)
        for number, part in enumerate(parts)
    ]
