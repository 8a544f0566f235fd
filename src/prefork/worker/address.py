"""A connection's two ends, as applications are told of them."""

from prefork.http.forwarded import Address
from prefork.settings.peers import unmapped

__all__ = ["Address", "address_of"]


def address_of(name: object, *, unix: bool = False) -> Address | None:
    """As ASGI wants it: (host, port), or (path, None) of a Unix socket's own end."""
    if isinstance(name, tuple):
        return (unmapped(name[0]), name[1])
    return (name, None) if unix and isinstance(name, str) and name else None
