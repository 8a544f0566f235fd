"""Where a server listens: what can be typed for it, and what it means."""

import re
import socket
import sys
from dataclasses import dataclass

from prefork.errors import SettingsError
from prefork.log import escape

MAX_SOCKET_PATH = 107 if sys.platform == "linux" else 103  # unix(7): sun_path, less its last NUL

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63})*\.?")
_PORT = re.compile(r"[0-9]{1,5}")
_LAST_PORT = 65535
_FORMS = "HOST:PORT, [IPV6]:PORT, unix:PATH or fd://N"
_INHERITED = "fd://"
_DESCRIPTOR = re.compile(r"[1-9][0-9]{0,8}|0")
_LAST_STANDARD = 2


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host, as a name or a number without brackets, and a port; port 0 is any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class InheritedAddress:
    """Wherever a socket listens that this process was started with."""

    descriptor: int

    def __str__(self) -> str:
        return f"{_INHERITED}{self.descriptor}"


Address = TcpAddress | UnixAddress
Bind = Address | InheritedAddress


def parse(text: str) -> Bind:
    """Read an address as typed. Raises SettingsError, worded to follow the setting's name."""
    if text.startswith(_INHERITED):
        return _inherited(text, text.removeprefix(_INHERITED))
    if text.startswith("unix:"):
        return _unix(text, text.removeprefix("unix:"))
    host, colon, port = text.rpartition(":")
    if not colon:
        raise _wrong(text, f"must be {_FORMS}")
    if not _PORT.fullmatch(port) or int(port) > _LAST_PORT:
        raise _wrong(text, f"must be {_FORMS}, with a port from 0 to {_LAST_PORT}")
    if not host:
        raise _wrong(text, f"must name a host; 0.0.0.0:{port} is every IPv4 address")
    return TcpAddress(_host(text, host), int(port))


def _unix(text: str, path: str) -> UnixAddress:
    if not path or "\0" in path:
        raise _wrong(text, "must name a path after unix:")
    if len(path.encode(errors="surrogateescape")) > MAX_SOCKET_PATH:
        raise _wrong(text, f"must have a path of at most {MAX_SOCKET_PATH} bytes")
    return UnixAddress(path)


def _inherited(text: str, number: str) -> InheritedAddress:
    if not _DESCRIPTOR.fullmatch(number) or int(number) <= _LAST_STANDARD:
        raise _wrong(text, f"must name a descriptor above {_LAST_STANDARD}, as in fd://3")
    return InheritedAddress(int(number))


def _host(text: str, host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        if not _is_number(socket.AF_INET6, host[1:-1].partition("%")[0]):
            raise _wrong(text, "must have an IPv6 address in its brackets")
        return host[1:-1]
    if ":" in host:
        raise _wrong(text, "must have its IPv6 address in brackets, as in [::1]:8000")
    is_numeric = not host.replace(".", "").strip("0123456789")
    if not _HOST_NAME.fullmatch(host) or (is_numeric and not _is_number(socket.AF_INET, host)):
        raise _wrong(text, f"must be {_FORMS}")
    return host


def _is_number(family: socket.AddressFamily, host: str) -> bool:
    try:
        socket.inet_pton(family, host)
    except (OSError, UnicodeError, ValueError):
        return False
    return True


def _wrong(text: str, what: str) -> SettingsError:
    return SettingsError(f"{what} (got {escape(text) or 'nothing'})")
