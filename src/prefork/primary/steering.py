"""Which listeners of an address the kernel gives new connections: a program of classic BPF."""

import array
import socket
import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from prefork import log
from prefork.primary.listeners import Listener

SO_ATTACH_REUSEPORT_CBPF = 51  # asm-generic/socket.h, Linux 4.5; the socket module has no name
# linux/bpf_common.h and linux/filter.h
LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS: A = what lies at k
MODULO = 0x94  # BPF_ALU | BPF_MOD | BPF_K: A %= k
ADD = 0x04  # BPF_ALU | BPF_ADD | BPF_K: A += k
JUMP_IF_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K: over jt instructions if A >= k, else jf
RETURN = 0x16  # BPF_RET | BPF_A
RANDOM = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM: no place in the packet, a random number


class Instruction(NamedTuple):
    """As `struct sock_filter` has it."""

    code: int
    jt: int
    jf: int
    k: int


def program(size: int, closed: Collection[int]) -> list[Instruction]:
    """Choose at random among *size* listeners, but those whose index is *closed*.

    Where all are closed, all are open: somebody's queue has to be the one. It takes two
    instructions for each gap, so that 1024 slots stay within what every kernel accepts.
    """
    if len(closed) == size:
        closed = ()
    chosen = [Instruction(LOAD, 0, 0, RANDOM), Instruction(MODULO, 0, 0, size - len(closed))]
    for first, length in _gaps(closed):
        chosen.append(Instruction(JUMP_IF_AT_LEAST, 0, 1, first))
        chosen.append(Instruction(ADD, 0, 0, length))
    return [*chosen, Instruction(RETURN, 0, 0, 0)]


def attach(sock: socket.socket, instructions: Sequence[Instruction]) -> None:
    """Have the kernel ask the program for the whole group of *sock*. Raises OSError.

    It replaces the one before at once; a connection whose handshake has begun stays where it is.
    """
    packed = b"".join(struct.pack("=HBBI", *each) for each in instructions)
    kept = array.array("B", packed)
    address, _ = kept.buffer_info()
    sock.setsockopt(
        socket.SOL_SOCKET,
        SO_ATTACH_REUSEPORT_CBPF,
        struct.pack("@HP", len(instructions), address),  # struct sock_fprog
    )


class Steering:
    """What the kernel was told. Where it can't be told, it goes on choosing among all."""

    def __init__(self) -> None:
        self._told: dict[int, tuple[int, frozenset[int]]] = {}  # by address: size, closed
        self._was_refused = False

    def steer(
        self, groups: Iterable[Sequence[Listener]], served: Mapping[int, Collection[int]]
    ) -> None:
        """Have new connections come only to listeners whose slot is *served* at their address.

        *groups*: of each address, its listeners as they were made, which is the kernel's order.
        """
        for group in groups:
            slots = served.get(group[0].address, ())
            closed = frozenset(n for n, each in enumerate(group) if each.slot not in slots)
            wanted = len(group), closed
            if len(group) > 1 and self._told.get(group[0].address) != wanted:
                self._tell(group[0], *wanted)

    def _tell(self, first: Listener, size: int, closed: frozenset[int]) -> None:
        try:
            attach(first.sock, program(size, closed))
        except OSError as error:  # an old kernel, or what stands in for one; or want of memory
            if not self._was_refused:
                log.info("steering_refused", reason=error.strerror)
            self._was_refused = True
        else:  # else it is asked again: what it was told before may leave out who takes now
            self._told[first.address] = size, closed


def _gaps(closed: Iterable[int]) -> list[tuple[int, int]]:
    """Give the first index and the length of each run of *closed* ones, from the lowest on."""
    runs = groupby(enumerate(sorted(closed)), key=lambda each: each[1] - each[0])
    gaps = [[index for _, index in run] for _, run in runs]
    return [(gap[0], len(gap)) for gap in gaps]
