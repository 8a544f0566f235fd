"""A rate limit that holds over all workers: 1,000 requests a minute from each client's address.

prefork serve rate_limiter:handler --app-dir examples --workers 2
curl -i http://127.0.0.1:8000/
"""

import os
import time
from zlib import crc32

from prefork import Request, Response, SharedArray

LIMIT = 1000  # requests in a window
WINDOW = 60  # seconds, from a client's first request
CLIENTS = 65536  # two whose addresses have the same place here have one limit

# Of each client one number, so that it changes in one piece: the second in which its window ends,
# and in the lower half how many requests it has had.
windows = SharedArray("rate-limiter", "Q", CLIENTS)


def seconds_to_wait(client: str) -> int:
    """Count a request; 0: it is let in."""
    place = crc32(client.encode()) % CLIENTS
    now = int(time.monotonic())  # the same clock in all processes
    while True:
        seen = windows.load(place)
        end, used = seen >> 32, seen & 0xFFFFFFFF
        if now >= end:
            end, used = now + WINDOW, 0
        if used >= LIMIT:
            return end - now
        if windows.compare_exchange(place, seen, end << 32 | used + 1):
            return 0  # else another worker was faster, and we look again


async def handler(request: Request) -> Response:
    client = request.client[0] if request.client else ""
    if wait := seconds_to_wait(client):
        return Response("too many requests\n", 429, {"retry-after": str(wait)})
    return Response(f"{os.getpid()} lets you in\n")
