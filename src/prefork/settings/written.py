"""What stands in a file that the user wrote for prefork."""

from pathlib import Path

from prefork.errors import SettingsError
from prefork.settings.checks import shown

LARGEST = 1 << 20  # bytes; no configuration is as large, and /dev/zero has no end


def text_of(path: Path) -> str:
    """Give the text, without the mark that editors of Windows put before it.

    Raises SettingsError where it can't be read, is no text, or does not end.
    """
    try:
        with path.open("rb") as stream:
            said = stream.read(LARGEST + 1)
    except OSError as error:
        raise SettingsError(f"cannot read {shown(path)}: {_reason(error)}") from None
    if len(said) > LARGEST:
        raise SettingsError(f"{shown(path)} is larger than {LARGEST} bytes")
    try:
        return said.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{shown(path)} is not UTF-8, {_place(said, error.start)}") from None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _place(said: bytes, offset: int) -> str:
    """Where the first wrong byte is, and which one."""
    line = said.count(b"\n", 0, offset) + 1
    return f"line {line}: there is the byte 0x{said[offset]:02x}"
