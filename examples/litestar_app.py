"""A Litestar application: JSON that is checked, a form, an upload and a streamed answer.

prefork serve litestar_app:app --app-dir examples --workers max
curl http://127.0.0.1:8000/teas/green
curl -d name=white -d minutes=4 http://127.0.0.1:8000/teas
curl -F file=@README.md http://127.0.0.1:8000/form
curl -N http://127.0.0.1:8000/countdown/5
"""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from litestar import Litestar, get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotFoundException
from litestar.params import Body
from litestar.response import Stream

PIECE = 65536  # bytes


@dataclass
class Tea:
    name: str
    minutes: int


@dataclass
class Upload:
    file: UploadFile


@dataclass
class Digest:
    sha256: str
    size: int


teas = {"green": Tea("green", 2), "black": Tea("black", 4)}  # each worker has its own


@get("/teas/{name:str}")
async def tea(name: str) -> Tea:
    if name not in teas:
        raise NotFoundException(f"no tea called {name!r}")
    return teas[name]


@post("/teas")
async def add_tea(data: Annotated[Tea, Body(media_type=RequestEncodingType.URL_ENCODED)]) -> Tea:
    teas[data.name] = data
    return data


@post("/form", status_code=200)
async def form(data: Annotated[Upload, Body(media_type=RequestEncodingType.MULTI_PART)]) -> Digest:
    sha256, size = hashlib.sha256(), 0
    while piece := await data.file.read(PIECE):
        sha256.update(piece)
        size += len(piece)
    return Digest(sha256.hexdigest(), size)


@get("/countdown/{start:int}")
async def countdown(start: int) -> Stream:
    async def lines() -> AsyncIterator[str]:
        for number in range(start, 0, -1):
            yield f"{number}\n"
        yield "lift-off\n"

    return Stream(lines(), media_type="text/plain")


# Litestar's own logging starts a thread as it is configured: each worker would import by itself.
app = Litestar([tea, add_tea, form, countdown], logging_config=None)
