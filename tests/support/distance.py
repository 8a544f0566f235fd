"""A network of its own in which every packet takes its time, as to a place far away.

    python -m tests.support.distance SECONDS

It opens a network namespace with a TUN device, says `here`, and reflects until its standard input
ends: what is sent to THERE comes back to HERE as if from THERE, after SECONDS each way. So a
server at HERE has clients that are far away, though all are in the namespace. It needs root.
"""

import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.program import ROOT

HERE, THERE = "10.9.0.1", "10.9.0.2"
TUN = Path("/dev/net/tun")
CLONE_NEWNET = 0x40000000  # sched.h; os.unshare and os.setns came with Python 3.12
# linux/if_tun.h, linux/sockios.h, linux/if.h
TUNSETIFF, IFF_TUN_WITHOUT_HEADER = 0x400454CA, 0x1001
SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFFLAGS, IFF_UP = 0x8916, 0x891C, 0x8914, 1


def obstacle() -> str:
    """Say why there can be no such network here; empty where it can."""
    if os.geteuid() != 0:
        return "only root may make a network namespace"
    return "" if TUN.exists() else f"there is no {TUN}"


@contextmanager
def distance(seconds: float) -> Iterator[int]:
    """Hold a network in which packets take so long; gives the pid that `within` asks for."""
    command = [sys.executable, "-m", "tests.support.distance", str(seconds)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reflecting:
        assert reflecting.stdout is not None
        assert reflecting.stdout.readline() == b"here\n"
        yield reflecting.pid


def enter(pid: int) -> None:
    """Move to the network of a process. Raises OSError."""
    with Path(f"/proc/{pid}/ns/net").open() as network:
        _call("setns", network.fileno(), CLONE_NEWNET)


def reflect(device: int, seconds: float) -> None:
    waiting: deque[tuple[float, bytes]] = deque()  # when it is due, and the packet
    poll = select.epoll()
    poll.register(device, select.EPOLLIN)
    poll.register(sys.stdin, select.EPOLLHUP)
    while True:
        left = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for ready, _ in poll.poll(left):
            if ready != device:
                return
            packet = os.read(device, 65536)
            if packet[0] >> 4 == 4:  # the kernel looks for neighbours by IPv6
                # Swapped, the addresses have the same sum: every checksum stays right.
                swapped = packet[:12] + packet[16:20] + packet[12:16] + packet[20:]
                waiting.append((time.monotonic() + seconds, swapped))
        while waiting and waiting[0][0] <= time.monotonic():
            os.write(device, waiting.popleft()[1])


def make() -> int:
    """Move to a new network; return the device by which what is sent to THERE leaves it."""
    _call("unshare", CLONE_NEWNET)
    device = os.open(TUN, os.O_RDWR)
    name = b"far"
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name, IFF_TUN_WITHOUT_HEADER))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for request, address in ((SIOCSIFADDR, HERE), (SIOCSIFNETMASK, "255.255.255.0")):
            given = struct.pack("16sHH4s16x", name, socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(asking, request, given)
        fcntl.ioctl(asking, SIOCSIFFLAGS, struct.pack("16sH22x", name, IFF_UP))
    return device


def _call(name: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)


if __name__ == "__main__":
    made = make()
    print("here", flush=True)
    reflect(made, float(sys.argv[1]))
