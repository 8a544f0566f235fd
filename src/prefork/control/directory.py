"""Where control sockets lie, under which names, and which of them are alive."""

import errno
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefork.errors import AddressError, SettingsError
from prefork.settings import environment
from prefork.settings.address import MAX_SOCKET_PATH, Address, UnixAddress
from prefork.settings.checks import INSTANCE_NAME
from prefork.wire import named

SUFFIX = ".sock"
BACKLOG = 64  # commands that may wait for the primary's next turn
OTHERS = 0o077  # permissions of anybody but the owner
LONGEST_NAME = 64
_REMEDY = "; choose another place with --control PATH"


@dataclass(frozen=True, slots=True)
class Instance:
    """A running primary, by its socket."""

    name: str
    path: Path


# -- names and paths ---------------------------------------------------------


def default_name(app: str, bound: Sequence[Address]) -> str:
    """Name an instance by its application's module and its first port or socket file."""
    parts = [app.partition(":")[0].rpartition(".")[2]]
    match bound[0] if bound else None:
        case UnixAddress(path):
            parts.append(Path(path).stem)
        case None:
            pass
        case address:
            parts.append(str(address.port))
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(dict.fromkeys(parts)))
    return name.lstrip("._-")[:LONGEST_NAME] or "prefork"


def default_directory() -> Path:
    """$XDG_RUNTIME_DIR/prefork where that is a directory of ours, else prefork-UID in the
    temporary one: `su` leaves another user's $XDG_RUNTIME_DIR behind."""
    runtime = environment.runtime_directory()
    if runtime and _is_ours(runtime):
        return Path(runtime, "prefork")
    return Path(environment.temporary_directory(), f"prefork-{os.geteuid()}")


def socket_path(name: str, directory: Path | None = None) -> Path:
    """Where the instance called *name* has its socket. Raises SettingsError if that is too long."""
    if not INSTANCE_NAME.fullmatch(name):
        raise SettingsError(f"not a name of an instance: {name!r}")
    path = (directory or default_directory()) / (name + SUFFIX)
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise SettingsError(
            f"the control socket's path {path} is longer than {MAX_SOCKET_PATH} bytes{_REMEDY}"
        )
    return path


def locate(name: str) -> Path:
    """The socket meant by a command's NAME, which is a path where it has a slash."""
    return Path(name) if "/" in name else socket_path(name)


def _is_ours(directory: str) -> bool:
    try:
        status = os.stat(directory)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


# -- the directory -----------------------------------------------------------


def prepare(directory: Path) -> None:
    """Make the directory, for us alone. Raises AddressError where it can't be, or isn't ours."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise AddressError(f"{directory}: {_reason(error)}{_REMEDY}") from None
    _inspect(directory)


def _inspect(directory: Path) -> None:
    """Raise AddressError where somebody else could put a socket of his own into the directory."""
    try:
        status = directory.lstat()
    except OSError as error:
        raise AddressError(f"{directory}: {_reason(error)}{_REMEDY}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise AddressError(f"{directory} is not a directory{_REMEDY}")
    if status.st_uid != os.geteuid():
        raise AddressError(f"{directory} belongs to user {status.st_uid}{_REMEDY}")
    if status.st_mode & OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise AddressError(f"{directory} is open to others (mode {mode:o}); chmod it to 700")


def running(directory: Path | None = None) -> list[Instance]:
    """The instances that live, by name; sockets that dead ones left behind are removed."""
    directory = directory or default_directory()
    if not os.path.lexists(directory):
        return []
    _inspect(directory)
    paths = sorted(directory.glob("*" + SUFFIX))
    found = [Instance(p.name.removesuffix(SUFFIX), p) for p in paths]
    return [
        each
        for each in found
        if INSTANCE_NAME.fullmatch(each.name)
        and each.path.is_socket()
        and not named.remove_if_dead(each.path)
    ]


# -- the socket --------------------------------------------------------------


def claim(path: Path) -> named.NamedSocket:
    """Listen on *path*, for us alone, without blocking; a dead instance's socket is replaced.

    Raises AddressError where the name is taken or the place unusable.
    """
    try:
        return named.listen(path, BACKLOG, umask=0o177)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressError(_taken(path)) from None
        raise AddressError(f"control socket {path}: {_reason(error)}{_REMEDY}") from None


def _taken(path: Path) -> str:
    if not path.is_socket():
        return f"control socket {path}: a file is in the way{_REMEDY}"
    name = path.name.removesuffix(SUFFIX)
    return f"an instance called {name} is already running ({path}); choose another --name"


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
