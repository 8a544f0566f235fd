"""A Starlette application that takes large uploads and gives large downloads.

prefork serve starlette_app:app --app-dir examples --workers max
head -c 5000000 /dev/urandom | curl --data-binary @- http://127.0.0.1:8000/upload
curl -F file=@README.md http://127.0.0.1:8000/form
curl http://127.0.0.1:8000/download | sha256sum
"""

import hashlib
from collections.abc import AsyncIterator, Iterator
from itertools import repeat

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

PIECE = bytes(range(256)) * 256  # 64 KiB
PIECES = 80  # 5 MiB in all


async def digest(pieces: AsyncIterator[bytes]) -> JSONResponse:
    sha256, size = hashlib.sha256(), 0
    async for piece in pieces:
        sha256.update(piece)
        size += len(piece)
    return JSONResponse({"sha256": sha256.hexdigest(), "size": size})


async def upload(request: Request) -> JSONResponse:
    return await digest(request.stream())


async def form(request: Request) -> JSONResponse:
    async with request.form() as fields:
        file = fields["file"]
        if not isinstance(file, UploadFile):
            return JSONResponse({"error": "file is not a file"}, 400)
        return await digest(chunks(file))


async def chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(len(PIECE)):
        yield chunk


async def download(_request: Request) -> StreamingResponse:
    pieces: Iterator[bytes] = repeat(PIECE, PIECES)
    return StreamingResponse(
        pieces,
        media_type="application/octet-stream",
        headers={"content-length": str(len(PIECE) * PIECES)},
    )


app = Starlette(
    routes=[
        Route("/upload", upload, methods=["POST"]),
        Route("/form", form, methods=["POST"]),
        Route("/download", download),
    ]
)
