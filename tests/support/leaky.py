"""An application that keeps a megabyte of memory for each request, and answers its pid."""

import os

from prefork import Request, Response

MEGABYTE = 1 << 20
kept: list[bytes] = []


async def handler(_request: Request) -> Response:
    kept.append(b"x" * MEGABYTE)
    return Response(str(os.getpid()))
