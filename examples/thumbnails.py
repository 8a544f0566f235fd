"""Thumbnails: an image goes in, a small WebP comes out, and the event loop is free meanwhile.

prefork serve thumbnails:app --app-dir examples --workers 2 --pool 2 --max-body 20000000
curl --data-binary @photo.jpg 'http://127.0.0.1:8000/thumbnail?width=200' -o thumbnail.webp
curl http://127.0.0.1:8000/

Needs Pillow: pip install pillow. `/blocking` does the same work in the worker itself, to compare:
while it does, nothing else that this worker has is answered.
"""

import io
import os

from PIL import Image, ImageOps
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from prefork import pool

WIDEST = 1024  # pixels
SECONDS = 5.0  # that one image may take


def thumbnail(image: bytes, width: int) -> bytes:
    """Make a WebP image of that width. Raises OSError or ValueError for what is no image.

    It is called in a process of the pool, which finds it by its name: it stands at the top of a
    module, takes and returns what can be pickled, and knows nothing of the request.
    """
    with Image.open(io.BytesIO(image)) as opened:
        opened.draft("RGB", (2 * width, 2 * width))  # a JPEG is decoded no larger than is of use
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    upright.thumbnail((width, width * upright.height), Image.Resampling.LANCZOS)
    small = io.BytesIO()
    upright.save(small, "WEBP", quality=80)
    return small.getvalue()


async def in_pool(request: Request) -> Response:
    image, width = await request.body(), wanted(request)
    try:
        made = await pool.run(thumbnail, image, width, timeout=SECONDS)
    except pool.TaskTimeout:
        return PlainTextResponse(f"this image takes longer than {SECONDS:g} seconds\n", 422)
    except (OSError, ValueError, Image.DecompressionBombError) as error:  # as the function raised
        return PlainTextResponse(f"no image: {type(error).__name__}\n", 422)
    return Response(made, media_type="image/webp")


async def blocking(request: Request) -> Response:
    """Do as one shouldn't: the event loop stands still until the image is made."""
    return Response(thumbnail(await request.body(), wanted(request)), media_type="image/webp")


def wanted(request: Request) -> int:
    width = request.query_params.get("width", "")
    return max(1, min(int(width), WIDEST)) if width.isdecimal() else 200


async def who(_request: Request) -> Response:
    return PlainTextResponse(f"{os.getpid()} is here\n")


app = Starlette(
    routes=[
        Route("/", who),
        Route("/thumbnail", in_pool, methods=["POST"]),
        Route("/blocking", blocking, methods=["POST"]),
    ]
)
