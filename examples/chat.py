"""A chat over WebSockets, whose clients are spread over workers, and over machines with a broker.

prefork serve chat:app --app-dir examples --workers 4
prefork serve chat:app --app-dir examples --workers 4 --bus redis://127.0.0.1

Open http://127.0.0.1:8000/ in two windows of a browser.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from prefork import cluster
from prefork.errors import BusError

PAGE = """<!doctype html>
<title>Chat</title>
<form><input autofocus> <button>Send</button></form>
<ol></ol>
<script>
  const [form, input, list] = ["form", "input", "ol"].map((name) => document.querySelector(name));
  let socket;
  function connect() {
    socket = new WebSocket(location.href.replace(/^http/, "ws") + "chat");
    socket.onmessage = ({ data }) => {
      list.appendChild(document.createElement("li")).textContent = data;
    };
    socket.onclose = () => setTimeout(connect, 500 + 1500 * Math.random());
  }
  form.onsubmit = (event) => {
    event.preventDefault();
    socket.send(input.value);
    input.value = "";
  };
  connect();
</script>
"""
MOST_UNSENT = 10_000  # messages to one client; who reads that slowly is better off without more

Unsent = asyncio.Queue[str]
clients: set[Unsent] = set()  # of this worker


def show(message: str, but: Unsent | None = None) -> None:
    """Give a message to the clients of this worker."""
    for client in clients:
        if client is not but and not client.full():
            client.put_nowait(message)


async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    unsent = Unsent(MOST_UNSENT)
    clients.add(unsent)
    writing = asyncio.create_task(write(websocket, unsent))
    try:
        async for message in websocket.iter_text():
            show(message, but=unsent)
            try:
                await cluster.publish("chat", message)  # every other worker will get it
                await unsent.put(f"sent: {message}")
            except BusError as error:
                await unsent.put(f"not sent: {message} ({error})")
    finally:
        clients.discard(unsent)
        writing.cancel()


async def write(websocket: WebSocket, unsent: Unsent) -> None:
    while True:
        await websocket.send_text(await unsent.get())


async def page(_request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE)


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    """Each worker subscribes once, however many clients it has."""
    subscription = cluster.subscribe("chat", show)
    await subscription
    yield
    await subscription.end()


app = Starlette(routes=[Route("/", page), WebSocketRoute("/chat", chat)], lifespan=lifespan)
