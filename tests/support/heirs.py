"""An application that says which descriptors a program has that it starts without closing any."""

import asyncio
import subprocess
import sys

from prefork import Request

SHOW = "import os; print(*os.listdir('/proc/self/fd'))"
COMMAND = [sys.executable, "-c", SHOW]


async def handler(request: Request) -> str:
    assert request.method == "GET"
    # Not by asyncio: uvloop's pipes to other programs are inherited, and none of our doing.
    done = await asyncio.to_thread(
        subprocess.run, COMMAND, close_fds=False, capture_output=True, text=True, check=True
    )
    return str(done.stdout)
