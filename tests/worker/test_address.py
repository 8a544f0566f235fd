import pytest

from prefork.worker.address import Address, address_of


@pytest.mark.parametrize(
    ("name", "address"),
    [
        (("192.0.2.7", 51234), ("192.0.2.7", 51234)),
        (("2001:db8::7", 51234, 0, 0), ("2001:db8::7", 51234)),
        (("::ffff:192.0.2.7", 51234, 0, 0), ("192.0.2.7", 51234)),  # of a socket for both families
        ("/run/shop.sock", None),
        ("", None),
        (None, None),
    ],
)
def test_a_peers_name_is_host_and_port(name: object, address: Address | None) -> None:
    assert address_of(name) == address


def test_a_unix_sockets_own_end_is_its_path() -> None:
    assert address_of("/run/shop.sock", unix=True) == ("/run/shop.sock", None)
    assert address_of("", unix=True) is None
