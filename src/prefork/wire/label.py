"""What a process says in words on its line of the board: for others to read, whoever is stuck.

A line's numbers are whole at any moment, a text is not: in front of it stands a number that is odd
while the text is being written, and another one afterwards.
"""

from prefork.wire.board import Line

MOST = 120  # bytes

_NUMBER = 40
_TEXT = slice(_NUMBER + 1, _NUMBER + 1 + MOST // 8)
_ATTEMPTS = 8  # a text is written in less than a microsecond


def write(line: Line, text: str) -> None:
    """Say *text*, or as much of it as there is room for. A line has one writer of its label."""
    said = text.encode(errors="replace")[:MOST].ljust(MOST, b"\0")
    line[_NUMBER] += 1
    line[_TEXT] = memoryview(said).cast("Q")
    line[_NUMBER] += 1


def read(line: Line) -> str:
    """Read what is said; nothing where nothing is, or where its writer died half way."""
    for _ in range(_ATTEMPTS):
        number = line[_NUMBER]
        said = line[_TEXT].tobytes()
        if number % 2 == 0 and line[_NUMBER] == number:
            return said.rstrip(b"\0").decode(errors="ignore")  # half of the last letter
    return ""
