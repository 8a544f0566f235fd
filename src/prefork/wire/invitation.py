"""What the program is told that runs a script's pool: as a text, from which it reads.

One end of the channel to the script it inherits.
"""

import json
import os
from dataclasses import asdict
from typing import Any

import msgspec

from prefork.settings.schema import Settings
from prefork.wire.estate import Main
from prefork.wire.nameless import nameless_file

_READ = 64 * 1024


class Invitation(msgspec.Struct, frozen=True):
    pid: int  # the script's
    channel: int  # descriptor of the program's end
    settings: dict[str, Any]
    main: Main


def write(channel: int, settings: Settings, main: Main) -> int:
    """Write down an invitation of this process's; return a descriptor to read it from.

    Not an argument or a variable: those have limits, and others can see them. Raises OSError.
    """
    said = msgspec.to_builtins(Invitation(os.getpid(), channel, asdict(settings), main))
    text = json.dumps(said).encode()  # msgspec's own refuses paths that are not UTF-8
    descriptor = nameless_file("invitation", 0)
    try:
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read(descriptor: int) -> Invitation:
    """Raises OSError; ValueError for what is none, which msgspec.ValidationError is too."""
    pieces = iter(lambda: os.read(descriptor, _READ), b"")
    return msgspec.convert(json.loads(b"".join(pieces)), Invitation)
