"""A Starlette application whose page talks to it over a WebSocket, which sends everything back.

prefork serve websocket_app:app --app-dir examples --workers max
python -m websockets ws://127.0.0.1:8000/echo

Or open http://127.0.0.1:8000/ in a browser.
"""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

PAGE = """<!doctype html>
<title>Echo</title>
<form><input autofocus> <button>Send</button></form>
<ol></ol>
<script>
  const [form, input, list] = ["form", "input", "ol"].map((name) => document.querySelector(name));
  const show = (text) => {
    list.appendChild(document.createElement("li")).textContent = text;
  };
  let socket;
  function connect() {
    socket = new WebSocket(location.href.replace(/^http/, "ws") + "echo");
    socket.onmessage = ({ data }) => show(data);
    socket.onclose = ({ code }) => {
      show(`closed with ${code}`);
      // 1012: the server is replacing this worker. Not all at once, and another one answers.
      setTimeout(connect, 500 + 1500 * Math.random());
    };
  }
  form.onsubmit = (event) => {
    event.preventDefault();
    socket.send(input.value);
    input.value = "";
  };
  connect();
</script>
"""


async def page(_request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE)


async def echo(websocket: WebSocket) -> None:
    offered = websocket.scope["subprotocols"]
    await websocket.accept(subprotocol="echo" if "echo" in offered else None)
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if "text" in message:
            await websocket.send_text(message["text"])
        else:
            await websocket.send_bytes(message["bytes"])


async def members(websocket: WebSocket) -> None:
    """Say no before the connection is open, so that the client sees a status."""
    await websocket.send_denial_response(PlainTextResponse("members only\n", 401))


app = Starlette(
    routes=[
        Route("/", page),
        WebSocketRoute("/echo", echo),
        WebSocketRoute("/members", members),
    ]
)
