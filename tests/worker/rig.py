"""A server on a real event loop, and clients over real sockets. Clients wait for bytes or EOF."""

# ruff: noqa: ARG001 - an application takes what the protocol gives

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from tests.support.certificates import HOST

from prefork.http.limits import Limits, WebSocketLimits
from prefork.wire.board import LINE_BYTES
from prefork.worker.application import Application, Kind
from prefork.worker.protocol import HttpProtocol
from prefork.worker.server import Server
from prefork.worker.service import Member
from prefork.worker.tls import Tls

LIMITS = Limits(
    request_line=8192,
    header_field=16384,
    headers_size=65536,
    headers=128,
    body=0,
    body_rate=240,
    concurrency=0,
    keepalive_requests=0,
    header_timeout=15,
    keepalive_timeout=75,
    send_timeout=60,
    request_timeout=0,
    websocket=WebSocketLimits(message=1 << 24, deflate=True, ping_interval=20, ping_timeout=20),
)
MOMENT = 0.001  # second; uvloop's clock stands still within a turn
PATIENCE = 20.0  # seconds after which a test that waits for bytes has failed
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

Message = dict[str, Any]


class Answer:
    """One parsed answer."""

    def __init__(self, head: bytes, body: bytes) -> None:
        line, *fields = head.decode("latin-1").split("\r\n")
        self.status = int(line.split()[1])
        self.headers = {k.lower(): v for k, _, v in (field.partition(": ") for field in fields)}
        self.body = body

    @property
    def closes(self) -> bool:
        return self.headers.get("connection") == "close"


class Client:
    """The other end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.seen = b""
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._loop.sock_sendall(self.sock, data)

    async def get(self, data: bytes = GET) -> Answer:
        await self.send(data)
        return await self.answer(head_only=data.startswith(b"HEAD"))

    async def answer(self, head_only: bool = False) -> Answer:
        """Read one answer."""
        head = (await self.until(b"\r\n\r\n"))[:-4]
        answer = Answer(head, b"")
        if head_only or answer.status < 200:
            return answer
        if "transfer-encoding" in answer.headers:
            answer.body = await self._chunks()
        else:
            answer.body = await self.exactly(int(answer.headers.get("content-length", 0)))
        return answer

    async def until(self, mark: bytes) -> bytes:
        while mark not in self.seen:
            assert await self._more(), f"EOF after {self.seen!r}"
        end = self.seen.index(mark) + len(mark)
        return self._take(end)

    async def exactly(self, count: int) -> bytes:
        while len(self.seen) < count:
            assert await self._more(), f"EOF after {self.seen!r}"
        return self._take(count)

    async def rest(self) -> bytes:
        """Everything up to the server's EOF."""
        while await self._more():
            pass
        return self._take(len(self.seen))

    async def is_open(self) -> bool:
        """Whether the server has neither written nor closed, after it had its turn."""
        for _ in range(3):
            await asyncio.sleep(0)
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        self.sock.close()

    def shut(self) -> None:
        """Send the FIN, and go on reading."""
        self.sock.shutdown(socket.SHUT_WR)

    async def _chunks(self) -> bytes:
        pieces = []
        while size := int(await self.until(b"\r\n"), 16):
            pieces.append(await self.exactly(size))
            await self.exactly(2)
        await self.exactly(2)
        return b"".join(pieces)

    async def _more(self) -> bool:
        data = await self._receive()
        self.seen += data
        return bool(data)

    async def _receive(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self._loop.sock_recv(self.sock, 1 << 18)

    def _take(self, count: int) -> bytes:
        data, self.seen = self.seen[:count], self.seen[count:]
        return data


class TlsClient(Client):
    """One that speaks TLS; what it sends and reads is what TLS carries."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(sock)
        self._there, self._back = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self._back, self._there, server_hostname=HOST)
        self.said_goodbye = False  # the server did, in TLS

    async def shake_hands(self, last: bytes = b"") -> None:
        """Do it, and send *last* together with its end."""
        while True:
            try:
                self.session.do_handshake()
            except ssl.SSLWantReadError:
                await self.flush()
                data = await self._receive()
                assert data, "EOF in the handshake"
                self._back.write(data)
            else:
                await self.send(last)
                return

    async def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self.session.write(rest) :]
        await self.flush()

    async def flush(self) -> None:
        """Send what the session has said."""
        await super().send(self.said())

    def said(self) -> bytes:
        """What the session has said since this was last asked."""
        return self._there.read()

    async def undeciphered(self) -> bytes:
        """Everything up to the server's EOF, as it comes."""
        seen = b""
        while data := await self._receive():
            seen += data
        return seen

    async def is_open(self) -> bool:
        for _ in range(3):
            await asyncio.sleep(0)
        with suppress(BlockingIOError):
            while data := self.sock.recv(1 << 18):
                self._decrypt(data)
            return False
        return not self.seen and not self.said_goodbye

    def shut(self) -> None:
        """Say goodbye, and nothing more."""
        with suppress(ssl.SSLWantReadError):
            self.session.unwrap()
        self.sock.send(self.said())

    async def _more(self) -> bool:
        before = len(self.seen)
        while len(self.seen) == before:
            data = await self._receive()
            self._decrypt(data)
            if not data or self.said_goodbye:
                return len(self.seen) > before
        return True

    def _decrypt(self, data: bytes) -> None:
        self._back.write(data)
        try:
            while self._back.pending and not self.said_goodbye:
                piece = self.session.read(1 << 14)
                self.seen += piece
                self.said_goodbye = not piece
        except ssl.SSLWantReadError:
            return
        except ssl.SSLZeroReturnError:
            self.said_goodbye = True


@dataclass(frozen=True, slots=True)
class Secrets:
    """What both ends need to speak TLS."""

    server: ssl.SSLContext
    client: ssl.SSLContext


SECRETS: ContextVar[Secrets | None] = ContextVar("SECRETS", default=None)  # of every new connection


class Rig:
    """A server, its clock and its board."""

    def __init__(self, application: Application, limits: Limits, state: dict[str, Any]) -> None:
        self.loop = asyncio.get_running_loop()
        self.line = memoryview(bytearray(LINE_BYTES)).cast("Q")
        self.server = Server(application, limits, self.line, self.loop, state=state)
        self.now = self.loop.time()
        self.protocols: list[HttpProtocol] = []
        self._clients: list[Client] = []

    async def connect(
        self, family: int = socket.AF_UNIX, *, shakes_hands: bool = True, **options: int
    ) -> Client:
        """A new connection, taken as a worker takes it."""
        near, far = _pair(family, options)
        self.server.taken(1)
        near.setblocking(False)
        await self.loop.connect_accepted_socket(self._protocol, near)
        client = self._client(far)
        self._clients.append(client)
        if isinstance(client, TlsClient) and shakes_hands:
            await client.shake_hands()
            session = self.protocols[-1].transport.get_extra_info("ssl_object")
            await self.turn(lambda: _has_shaken_hands(session))
        return client

    def _protocol(self) -> HttpProtocol | Tls:
        protocol = self.server.protocol()
        self.protocols.append(protocol)
        secrets = SECRETS.get()
        return protocol if secrets is None else Tls(secrets.server, protocol)

    @staticmethod
    def _client(sock: socket.socket) -> Client:
        secrets = SECRETS.get()
        return Client(sock) if secrets is None else TlsClient(sock, secrets.client)

    @property
    def members(self) -> set[Member]:
        """The server's connections."""
        return self.server.members

    def tick(self, later: float) -> None:
        """Let *later* seconds pass for the server, whose event loop has turned until now."""
        self.server.tick(self.now + MOMENT)
        self.now += later
        self.server.tick(self.now)

    def board(self, field: int) -> int:
        return self.line[field]

    async def turn(self, until: Callable[[], bool]) -> None:
        """Let the event loop turn until something is so."""
        async with asyncio.timeout(PATIENCE):
            while not until():  # noqa: ASYNC110 - nothing tells of a turn
                await asyncio.sleep(0)

    def close(self) -> None:
        for client in self._clients:
            client.close()


@asynccontextmanager
async def rig(
    app: Callable[..., Any],
    kind: Kind = "asgi",
    state: dict[str, Any] | None = None,
    root_path: str = "",
    threads: int = 1,
    **limits: Any,
) -> AsyncIterator[Rig]:
    application = Application("tests:app", kind, app, root_path, threads)
    made = Rig(application, replace(LIMITS, **limits), state or {})
    try:
        yield made
    finally:
        made.close()
        made.server.start_drain()
        made.server.cut()
        async with asyncio.timeout(PATIENCE):
            await made.server.drained
        made.server.leave(PATIENCE)


def _has_shaken_hands(session: ssl.SSLObject) -> bool:
    """Whether the handshake is over on the server's side too: its end is sent by the client."""
    with suppress(ValueError):
        session.getpeercert()
        return True
    return False


def _pair(family: int, options: dict[str, int]) -> tuple[socket.socket, socket.socket]:
    if family == socket.AF_UNIX:
        near, far = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            far = socket.create_connection(listener.getsockname())
            near, _ = listener.accept()
    for name, value in options.items():
        for end in (near, far):
            end.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    return near, far


# Applications


async def hello(scope: Message, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def echo(scope: Message, receive: Any, send: Any) -> None:
    """Send the body back as it comes."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})
