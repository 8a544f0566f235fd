"""The programs that docs/howto/cpu-bound-work.md shows do what it says of them."""

import hashlib
import json
import os
import select
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from tests.docs.pages import HOWTO, blocks
from tests.process.conftest import Serve
from tests.support.asking import Caller, ask
from tests.support.program import Program, interpreter

SOURCES = blocks(HOWTO / "cpu-bound-work.md", "python")
SEAL, STREAM, BUSY, SCRIPT = (
    next(each for each in SOURCES if word in each)
    for word in ("rounds=", "pool.stream", "exception_handler", "prefork.Pool(")
)


@pytest.fixture
def shop(serve: Serve, tmp_path: Path) -> "Shop":
    return Shop(serve, tmp_path)


class Shop:
    """Serves a module with that source."""

    def __init__(self, serve: Serve, place: Path) -> None:
        self._serve = serve
        self._place = place

    def open(self, source: str, app: str, *options: str) -> Program:
        (self._place / "shop.py").write_text(source)
        return self._serve("--app-dir", str(self._place), *options, app=f"shop:{app}")


def test_the_first_program_seals_in_the_pool_and_greets_meanwhile(shop: Shop) -> None:
    port = shop.open(SEAL, "handler", "--workers", "1", "--pool", "1").port
    with closing(Caller(port, timeout=30)) as caller:
        caller.send("/seal")
        assert ask(port, "/").body == b"hello\n"
        sealed = hashlib.pbkdf2_hmac("sha256", b"a document", b"salt", 2_000_000).hex()
        assert caller.reply().body == f"{sealed}\n".encode()


def test_a_stream_is_an_answer(shop: Shop) -> None:
    answering = (
        "\n\nfrom prefork import Request, Response\n\n\n"
        "async def handler(_request: Request) -> Response:\n    return Response(rows('x'))\n"
    )
    reply = ask(shop.open(STREAM + answering, "handler", "--pool", "1").port, "/")
    assert reply.body == b"".join(b"%d\n" % number for number in range(1000))


def test_three_lines_say_what_is_in_a_503(shop: Shop, tmp_path: Path) -> None:
    """One task runs, until somebody writes to the fifo; one waits; there is no room for another."""
    held = (
        "\n\n@app.get('/')\nasync def held():\n    return await pool.run(read, FIFO)\n\n\n"
        f"FIFO = {str(tmp_path / 'fifo')!r}\n\n\n"
        "def read(path):\n    return open(path).read()\n"
    )
    os.mkfifo(tmp_path / "fifo")
    options = ("--workers", "1", "--pool", "1", "--pool-queue", "1")
    port = shop.open(BUSY + held, "app", *options).port
    with closing(Caller(port)) as runs, closing(Caller(port)) as one, closing(Caller(port)) as two:
        runs.send("/")
        with (tmp_path / "fifo").open("w") as begun:  # opens once somebody reads
            one.send("/")
            two.send("/")
            first, _, _ = select.select([one.socket, two.socket], [], [], 10)
            refused, waits = (one, two) if first == [one.socket] else (two, one)
            reply = refused.reply()
            assert (reply.status, json.loads(reply.body)) == (503, {"error": "busy"})
            assert int(reply.headers["retry-after"]) >= 1
            begun.write("done")
        assert json.loads(runs.reply().body) == "done"
        (tmp_path / "fifo").write_text("too")
        assert json.loads(waits.reply().body) == "too"


def test_the_script_has_a_pool_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [*interpreter(tmp_path), str(tmp_path / "script.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("144\n", "", 0)
