"""Which peers a setting names: by address, by network, those of Unix sockets, all, or none."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

UNIX = "unix"
EVERYBODY = "*"
NOBODY = "none"
FORMS = f"an IP address, a network such as 10.0.0.0/8, {UNIX}, {EVERYBODY}, or {NOBODY} alone"


class Peers:
    """Ask by `in`, with a host as the system spells it, or None for the peer of a Unix socket."""

    def __init__(self, words: Sequence[str]) -> None:
        """Read words as typed; each may be several with commas. Raises ValueError with a reason."""
        split = [word.strip() for each in words for word in each.split(",")]
        if NOBODY in split and len(split) > 1:
            raise ValueError(f"{NOBODY} is not alone")
        self._has_all = EVERYBODY in split
        self._has_unix = self._has_all or UNIX in split
        plain = [word for word in split if word not in (UNIX, EVERYBODY, NOBODY)]
        self._networks = [_network(word) for word in plain]

    def __bool__(self) -> bool:
        return self._has_all or self._has_unix or bool(self._networks)

    def __contains__(self, host: str | None) -> bool:
        if self._has_all or host is None:
            return self._has_unix
        try:
            address = ip_address(unmapped(host))
        except ValueError:  # a path, or nothing that the system would say
            return False
        return any(address in network for network in self._networks)


def unmapped(host: str) -> str:
    """Spell an IPv4 address as such, where a socket for both families has it as IPv6 (RFC 4291)."""
    if not host.lower().startswith("::ffff:"):
        return host
    address = IPv6Address(host).ipv4_mapped
    return host if address is None else str(address)


def _network(word: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(unmapped(word))
    except ValueError as error:
        if "host bits" in str(error):
            raise ValueError(f"{word} is no network; {ip_network(word, strict=False)} is") from None
        raise ValueError(f"{word or 'nothing'} is none of these") from None
