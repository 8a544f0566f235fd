"""Where this process has shared memory from: from the primary of an instance, or of its own."""

import os
from dataclasses import dataclass
from importlib import import_module

from prefork.memory.store import Store

# "module:function", imported by who attaches: it speaks the control socket, which stands above us,
# and of which a primary needs the other end alone.
ATTACH = "prefork.control.attachment:attach"


@dataclass(frozen=True, slots=True)
class Grant:
    """Memory that this process may map; the descriptor is the receiver's to close."""

    descriptor: int
    is_locked: bool  # numbers in it are changed under a lock, not by libatomic


# Where no instance is: this process's own. In a primary it is what all its children are lent from:
# so what a program used before it became one is theirs too.
own = Store()
_instance = ""  # the path of our instance's control socket
_lender = ""  # the path of that of the primary whose `own` is ours by inheritance


def settle(instance: str) -> None:
    """Say by which control socket this process's instance is reached; "": it has none."""
    global _instance  # noqa: PLW0603 - a process is of one instance
    _instance = instance


def inherit(instance: str) -> None:
    """Be a primary's child. What that has kept is lent by it here: the descriptors are closed."""
    global _lender  # noqa: PLW0603 - as above
    _lender = instance
    settle(instance)


def current() -> str:
    """Name where memory comes from when nobody says more; "": it is this process's own."""
    return _instance


def grant(instance: str, key: str, size: int) -> Grant:
    """Get the memory of *key*, of so many bytes, of an instance, or with "" of this process.

    Raises SharedMemoryError.
    """
    instance = instance or _lender
    if not instance:
        return Grant(os.dup(own.take(key, size)), own.atomics == "lock")
    module, _, name = ATTACH.partition(":")
    granted: Grant = getattr(import_module(module), name)(instance, key, size)
    return granted
