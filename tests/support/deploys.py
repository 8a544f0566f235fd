"""An application on disk that is written anew, as a deploy does, sound or with a fault."""

import os
from enum import Enum
from pathlib import Path

MODULE = "deployed"
APP = f"{MODULE}:app"
LONG_AGO = 1_700_000_000  # Unix seconds: the first version's time
CODE = '''\
import asyncio, os, time, traceback

VERSION = "{version}"
{at_import}


def count_start():
    """Return how many processes of this version have started by now; each is one more."""
    number = 1
    while True:
        try:
            os.close(os.open(f"{place}/start-{version}-{{number}}", os.O_CREAT | os.O_EXCL))
            return number
        except FileExistsError:
            number += 1


async def start():
    {at_startup}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    while (await receive()).get("more_body", False):
        pass
    body = f"{{os.getpid()}} {{VERSION}}".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": body}})


async def live(receive, send):
    await receive()
    try:
        await start()
    except Exception:
        await send({{"type": "lifespan.startup.failed", "message": traceback.format_exc()}})
        raise
    await send({{"type": "lifespan.startup.complete"}})
    await receive()
    await send({{"type": "lifespan.shutdown.complete"}})
'''


class Fault(Enum):
    """What is wrong with the code: statements at its import, statements at its startup."""

    def __init__(self, at_import: str, at_startup: str) -> None:
        self.at_import = at_import
        self.at_startup = at_startup

    NONE = "", "pass"
    RAISES = 'raise RuntimeError("a broken deploy")', "pass"
    HANGS = "time.sleep(3600)", "pass"
    STARTUP_FAILS = "", 'raise RuntimeError("no database")'
    BLOCKS = "", "asyncio.get_running_loop().call_later(0.05, time.sleep, 3600)"  # its event loop
    DIES = (  # every process of it but the first
        "",
        "if count_start() > 1: asyncio.get_running_loop().call_later(0.3, os._exit, 1)",
    )


class Deploys:
    """Writes one version after another of `deployed:app` into *place*."""

    def __init__(self, place: Path, code: str = CODE) -> None:
        self.place = place
        self._code = code
        self._file = place / f"{MODULE}.py"
        self._second = LONG_AGO
        self.write("1")

    def write(
        self,
        version: str,
        fault: Fault = Fault.NONE,
        *,
        at_import: str = "",
        is_dated: bool = True,
    ) -> None:
        """Put *version* in place at once, with statements of its own *at_import* if given.

        Its file bears a time long ago, a second after the one before, or the real one if not
        *is_dated*: Python takes bytecode for that of any source of the same second and size.
        """
        self._second += 1
        fresh = self._file.with_suffix(".new")
        fresh.write_text(
            self._code.format(
                version=version,
                place=self.place,
                at_import=at_import or fault.at_import,
                at_startup=fault.at_startup,
            )
        )
        if is_dated:
            os.utime(fresh, (self._second, self._second))
        fresh.replace(self._file)
