"""Frames: where a message begins and ends in a stream of bytes."""

from struct import Struct

from prefork.errors import RemoteError

VERSION = 1
MAX_PAYLOAD = 256 * 1024  # bytes; the longest message holds an application's traceback
_HEAD = Struct("!BI")  # version, length of the payload


def encode(payload: bytes) -> bytes:
    """Frame one message. Raises ValueError above MAX_PAYLOAD."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a frame holds at most {MAX_PAYLOAD} bytes")
    return _HEAD.pack(VERSION, len(payload)) + payload


class Decoder:
    """Cuts a stream into payloads, however its bytes arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that *data* completes. Raises RemoteError on what is no frame."""
        self._buffer += data
        payloads = []
        while len(self._buffer) >= _HEAD.size:
            version, length = _HEAD.unpack_from(self._buffer)
            if version != VERSION or length > MAX_PAYLOAD:
                raise RemoteError(f"not a frame: version {version}, length {length}")
            end = _HEAD.size + length
            if len(self._buffer) < end:
                break
            payloads.append(bytes(self._buffer[_HEAD.size : end]))
            del self._buffer[:end]
        return payloads
