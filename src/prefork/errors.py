"""Every exception this package raises on purpose, by culprit, and what the process exits with."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What `prefork serve` tells its caller; docs/reference/exit-codes.md is made from this."""

    def __new__(cls, value: int, meaning: str) -> "ExitCode":
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    meaning: str

    OK = 0, "stopped in time; every request in flight at the stop was answered"
    FAILURE = (
        1,
        "a command failed: no such instance, several and none named, one that is not whole "
        "(`status`), new code that does not start (`reload --wait`)",
    )
    USAGE = 2, "bad usage or settings; nothing was started"
    APP_IMPORT = 3, "the application could not be imported"
    APP_START = (
        4,
        "the application never became ready: its lifespan failed, or it died before",
    )
    ADDRESS = 5, "an address could not be bound, or the name is taken"
    CUT = 6, "stopped, but work was cut: a deadline passed, or a worker had to be killed"


class PreforkError(Exception):
    """Base class, so a caller can catch everything of ours with one name."""

    exit_code = ExitCode.FAILURE


class SettingsError(PreforkError):
    """A setting has a value we cannot run with. The culprit is the user."""

    exit_code = ExitCode.USAGE


class AddressError(PreforkError):
    """An address, socket path or instance name is taken, forbidden or unusable."""

    exit_code = ExitCode.ADDRESS


class AppError(PreforkError):
    """The application cannot be loaded. *detail* holds its own traceback, or is empty."""

    def __init__(
        self, reason: str, detail: str = "", exit_code: ExitCode = ExitCode.APP_IMPORT
    ) -> None:
        super().__init__(reason)
        self.detail = detail
        self.exit_code = exit_code


class ControlError(PreforkError):
    """A command could not reach the instance it was meant for, or was refused by it."""


class RemoteError(PreforkError):
    """Another process sent what it must not send. It may cost that process its life, never ours."""


class RequestError(PreforkError):
    """Another process gave no answer: its handler failed, or it is gone."""


class TransitionError(PreforkError):
    """The core was told something that cannot happen in its current state. The culprit is us."""

    def __init__(self, process: int, step: str, phase: str) -> None:
        super().__init__(f"process {process}: {step} while {phase}")


class SharedMemoryError(PreforkError):
    """Shared memory can't be had: too much of it, another size, or nobody answers."""


class BusError(PreforkError):
    """A message could not be given to the bus: the hub or the broker has not taken it."""
