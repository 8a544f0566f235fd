"""Executes a program as systemd does that has listened for it: sockets from 3 on, and LISTEN_*.

python -m tests.support.passing DESCRIPTOR,… ARGUMENTS OF PYTHON
"""

import os
import sys

FIRST = 3


def main(descriptors: str, *arguments: str) -> None:
    given = [int(each) for each in descriptors.split(",")]
    aside = [os.dup(each) for each in given]  # lest one's number is another's place
    for place, each in enumerate(aside, FIRST):
        os.dup2(each, place)
        os.set_inheritable(place, True)  # also where it was there already
    variables = {
        **os.environ,  # noqa: TID251 - it is what an exec keeps
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": str(len(given)),
        "LISTEN_FDNAMES": ":".join(["shop"] * len(given)),
    }
    os.execve(sys.executable, [sys.executable, *arguments], variables)


if __name__ == "__main__":
    main(*sys.argv[1:])
