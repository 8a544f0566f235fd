"""Bytes made of the corpus' by mutation, and what must be so of any bytes whatever.

They are understood alike in any pieces, and as h11 does but for `differences`; nothing is raised;
nothing makes a connection hold more than a head.

`python -m tests.http.fuzz SECONDS [SEED]` goes on for so long, and prints what it found.
"""

import random
import sys
import time
from collections import Counter

from tests.http.corpus import Case
from tests.http.differences import difference
from tests.http.refused import REFUSED
from tests.http.requests import LIMITS, connection
from tests.http.served import SERVED, TOLERATED
from tests.http.understanding import outcome

from prefork.http.backlog import ENOUGH, SLICE
from prefork.http.connection import Connection
from prefork.http.exchange import Exchange

SEEDS: list[Case] = [*SERVED, *TOLERATED, *REFUSED]
SMALL = [case.data for case in SEEDS if len(case.data) < 2000]
TOKENS = (
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b":", b"\0", b"\x7f", b"\xff", b"0", b"1"),
    *(
        b"ffffffffffffffff",
        b"18446744073709551615",
        b"-1",
        b"HTTP/1.1",
        b"Host: a\r\n",
        b"0\r\n\r\n",
    ),
    *(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 1\r\n", b"Connection: close\r\n"),
    *(b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"Expect: 100-continue\r\n", b";a=b", b"%00"),
)
ROOM = SLICE + LIMITS.headers_size + LIMITS.request_line  # bytes of one head that may be held
TIGHT = {"headers_size": 200, "headers": 4, "body": 4}
TOO_LARGE = (414, 431)
ROUNDS = 4  # mutations of one input, at most


def mutated(source: random.Random) -> bytes:
    """One to three cases in a row, with parts removed, doubled, moved, and other things put in."""
    data = b"".join(source.choices(SMALL, k=source.randint(1, 3)))
    for _ in range(source.randint(0, ROUNDS)):
        at = source.randint(0, len(data))
        end = min(len(data), at + source.choice((0, 1, 1, 2, 8, 64)))
        piece = source.choice(
            (b"", source.choice(TOKENS), source.randbytes(1), data[at:end] * 2, data[end:at:-1])
        )
        data = data[:at] + piece + data[end:]
    return data


def split(data: bytes, source: random.Random) -> list[bytes]:
    """The same in pieces."""
    cuts = sorted(source.choices(range(len(data) + 1), k=source.choice((1, 1, 2, 5, 20))))
    return [data[i:j] for i, j in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def told(pieces: list[bytes], **limits: int) -> tuple[list[object], int | None, bool]:
    """The outcome. Of a head that is too large and malformed, either may be told: llhttp gives a
    line away when it sees more of the next, or when what it was fed ends there."""
    understood, status, unfinished = outcome(pieces, **limits)
    return understood, 400 if status in TOO_LARGE else status, unfinished


def examine(data: bytes, source: random.Random) -> int | None:
    """The status of the refusal. Raises whatever is not the peer's fault, or AssertionError."""
    _, status, _ = whole = told([data])
    pieces = split(data, source)
    assert told(pieces) == whole, pieces
    assert told(pieces, **TIGHT) == told([data], **TIGHT), pieces
    return status


def held(made: Connection[Exchange]) -> int:
    """Bytes that a connection keeps beside the requests that are ready."""
    fields = sum(len(name) + len(value) for name, value in made._fields)
    return fields + len(made._target) + len(made.waiting)


def flood(data: bytes, times: int) -> None:
    """Feed it without end, as a client may whose requests are answered as they come.

    Raises AssertionError where more is kept than a head may have, and what was fed at once.
    """
    made = connection()
    for _ in range(times):
        if made.ended:
            break
        made.feed(data)
        assert held(made) <= ROOM + len(data)
        assert len(made.ready) <= ENOUGH + SLICE // len("GET / HTTP/1.1\r\nHost:\r\n\r\n") + 1
        while made.waiting:
            made.ready.clear()
            made.go_on()
        made.ready.clear()


def main(seconds: float, seed: int) -> Counter[int | None]:
    """Examine for so long. Returns how often there was which status."""
    source, until = random.Random(seed), time.monotonic() + seconds
    found: Counter[int | None] = Counter()
    while time.monotonic() < until:
        data = mutated(source)
        try:
            found[examine(data, source)] += 1
            difference(data)
            if found.total() % 20 == 0:
                flood(data, 200)
        except BaseException:
            print(f"seed {seed}, input {found.total()}: {data!r}", file=sys.stderr)
            raise
    return found


if __name__ == "__main__":
    chosen = int(sys.argv[2]) if sys.argv[2:] else random.randrange(2**32)
    counts = main(float(sys.argv[1]), chosen)
    print(f"seed {chosen}: {counts.total()} inputs, by status of the refusal: {dict(counts)}")
