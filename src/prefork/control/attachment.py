"""How a process comes to the memory that the primary of an instance keeps for it."""

from prefork.control.client import Client
from prefork.control.directory import locate
from prefork.control.protocol import Request
from prefork.errors import ControlError, SettingsError, SharedMemoryError
from prefork.memory.source import Grant


def attach(instance: str, key: str, size: int) -> Grant:
    """Ask the instance, by its name or by the path of its control socket, for the memory of a key.

    It waits for the answer for 2 s at most. Raises SharedMemoryError.
    """
    try:
        with Client(locate(instance)) as client:
            answer = client.ask(Request("memory", key=key, bytes=size))
            descriptor = client.borrowed()
    except (ControlError, SettingsError) as error:
        raise SharedMemoryError(str(error)) from None
    if descriptor is None:
        raise SharedMemoryError(f"no descriptor is free for the memory of the key {key!r}")
    return Grant(descriptor, answer.get("atomics") == "lock")
