"""A Flask application: JSON, a form, an upload that is read as it comes, and a streamed answer.

prefork serve flask_app:app --app-dir examples --workers max --threads 10
curl http://127.0.0.1:8000/teas/green
curl -d name=white -d minutes=4 http://127.0.0.1:8000/teas
head -c 5000000 /dev/urandom | curl --data-binary @- http://127.0.0.1:8000/upload
curl -F file=@README.md http://127.0.0.1:8000/form
curl -N http://127.0.0.1:8000/countdown/5

Flask is WSGI: each request has a thread of its own while it is answered.
"""

import hashlib
from collections.abc import Iterator
from typing import IO

from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException

PIECE = 65536  # bytes
app = Flask(__name__)
teas = {"green": 2, "black": 4}  # minutes; each worker has its own


@app.get("/teas/<name>")
def tea(name: str) -> dict[str, object]:
    if name not in teas:
        abort(404, f"no tea called {name!r}")
    return {"name": name, "minutes": teas[name]}


@app.post("/teas")
def add_tea() -> tuple[dict[str, object], int]:
    name = request.form["name"]
    teas[name] = int(request.form["minutes"])
    return tea(name), 201


@app.post("/upload")
def upload() -> dict[str, object]:
    return digest(request.stream)


@app.post("/form")
def form() -> dict[str, object]:
    return digest(request.files["file"].stream)


@app.get("/countdown/<int:start>")
def countdown(start: int) -> Response:
    def lines() -> Iterator[str]:
        for number in range(start, 0, -1):
            yield f"{number}\n"
        yield "lift-off\n"

    return Response(lines(), mimetype="text/plain")


@app.errorhandler(HTTPException)
def failed(error: HTTPException) -> tuple[dict[str, object], int]:
    return {"error": error.description}, error.code or 500


def digest(stream: IO[bytes]) -> dict[str, object]:
    sha256, size = hashlib.sha256(), 0
    while piece := stream.read(PIECE):
        sha256.update(piece)
        size += len(piece)
    return {"sha256": sha256.hexdigest(), "size": size}
