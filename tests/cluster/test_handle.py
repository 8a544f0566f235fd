import signal as signals
from socket import AF_INET, AF_INET6, AF_UNIX
from typing import Any

import pytest

from prefork.cluster.handle import Address, Worker
from prefork.settings.address import TcpAddress, UnixAddress


@pytest.mark.parametrize(
    ("bound", "read"),
    [
        (TcpAddress("127.0.0.1", 8000), Address(AF_INET, "127.0.0.1", 8000)),
        (TcpAddress("::", 65535), Address(AF_INET6, "::", 65535)),
        (TcpAddress("fe80::1%eth0", 1), Address(AF_INET6, "fe80::1%eth0", 1)),
        (UnixAddress("/run/a:1"), Address(AF_UNIX, path="/run/a:1")),
        (UnixAddress("/d" * 200), Address(AF_UNIX, path="/d" * 200)),  # by its open directory
        (UnixAddress("@abstract"), Address(AF_UNIX, path="@abstract")),
    ],
)
def test_every_address_that_can_be_bound_is_read(
    bound: TcpAddress | UnixAddress, read: Address
) -> None:
    assert Address.of(str(bound)) == read


class Hand:
    """What holds the reins, and only notes that it is to kill."""

    def __init__(self) -> None:
        self.killed: list[int] = []

    def send(self, *_: Any) -> bool:
        raise AssertionError

    def request(self, *_: Any) -> None:
        raise AssertionError

    def disconnect_worker(self, _: int) -> None:
        raise AssertionError

    def kill_worker(self, _: int, signal: int) -> None:
        self.killed.append(signal)


def test_a_signal_is_a_number_or_a_name() -> None:
    hand = Hand()
    worker = Worker(hand, 1, 0, 1)
    worker.kill()
    worker.kill("SIGTERM")
    worker.kill(signals.SIGRTMIN + 1)
    assert hand.killed == [signals.SIGKILL, signals.SIGTERM, signals.SIGRTMIN + 1]


@pytest.mark.parametrize("wrong", ["SIGNONE", "9", 0, -9, 999])
def test_a_signal_that_does_not_exist_is_refused(wrong: int | str) -> None:
    with pytest.raises(ValueError, match=f"no such signal {wrong!r}"):
        Worker(Hand(), 1, 0, 1).kill(wrong)
