"""What an import leaves behind is found, each kind in a process of its own."""

import subprocess
import sys

import pytest

PROBE = """
import os, sys
from prefork.worker import remains
before = remains.open_descriptors()
{left}
print(remains.left_behind(before), flush=True)
os._exit(0)
"""

LEFT = {
    "nothing": ("x = open('/dev/null')", "[]"),
    "thread": (
        "import threading, queue\nq = queue.Queue()\n"
        "threading.Thread(target=q.get, name='poller', daemon=True).start()",
        "thread 'poller' of queue",
    ),
    "socket": ("import socket; s = socket.socket()", "socket:["),
    "loop": ("import asyncio; loop = asyncio.new_event_loop()", "eventpoll"),
    "child": ("import subprocess; p = subprocess.Popen(['sleep', '1'])", "child process"),
    "numpy": ("import numpy; numpy.ones((200, 200)) @ numpy.ones((200, 200))", "[]"),
    "native": (
        "import ctypes, ctypes.util\n"
        "lib = ctypes.CDLL(None)\n"
        "wait = ctypes.cast(lib.pause, ctypes.c_void_p)\n"
        "lib.pthread_create(ctypes.byref(ctypes.c_ulong()), None, wait, None)",
        "1 native threads",
    ),
}


@pytest.mark.parametrize("kind", LEFT)
def test_what_an_import_left_is_named(kind: str) -> None:
    left, expected = LEFT[kind]
    environment = {"OPENBLAS_NUM_THREADS": "2", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", PROBE.format(left=left)]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert expected in finished.stdout
