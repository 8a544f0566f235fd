"""A photograph as a camera makes them, and the load of clients that post it to be made small."""

import io
from pathlib import Path

from benchmarks.load import Load
from PIL import Image

APP = "benchmarks.photos_app:app"
CAMERA, SCREEN = (4000, 3000), (1600, 1200)  # pixels
CLIENTS = 200
PATIENCE = 60  # seconds
POOL, LOOP = "/thumbnail", "/blocking"  # where the work is done by the pool; on the event loop
POST = """\
local photo = assert(io.open("{}", "rb"))
wrk.method, wrk.body = "POST", photo:read("*a")
photo:close()
"""


def photo(size: tuple[int, int]) -> bytes:
    """Return a JPEG of coarse noise, which takes as many bytes as a landscape does."""
    width, height = size
    noise = [Image.effect_noise((width // 8, height // 8), 60) for _ in "RGB"]
    encoded = io.BytesIO()
    Image.merge("RGB", noise).resize(size).save(encoded, "JPEG", quality=85)
    return encoded.getvalue()


def load(path: str, home: Path, size: tuple[int, int]) -> Load:
    """Have CLIENTS post one to *path*; *home* keeps it, and what tells wrk of it."""
    photograph, script = home / "photo.jpg", home / "post.lua"
    photograph.write_bytes(photo(size))
    script.write_text(POST.format(photograph))
    return Load(path, script=script, clients=CLIENTS, patience=PATIENCE)
