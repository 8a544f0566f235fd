"""A WebSocket's message while it arrives: its pieces, its size, and whether its text is UTF-8."""

import codecs

UTF_8 = codecs.getincrementaldecoder("utf-8")
SURROGATE, AFTER = b"\xed\xa0", b"\xee"  # no third byte mends it, but Python's decoder waits


class TooLarge(Exception):  # noqa: N818 - a fact
    """The message is longer than is allowed."""


class Message:
    """Bytes are kept together: a client may send them one by one, and an object has 33 more."""

    __slots__ = ("_bytes", "_decoder", "_most", "is_deflated", "is_text")

    def __init__(self, is_text: bool, is_deflated: bool, most: int) -> None:
        self.is_text = is_text
        self.is_deflated = is_deflated
        self._most = most
        self._bytes = bytearray()
        self._decoder = UTF_8() if is_text else None

    def expect(self, more: int) -> None:
        """So many bytes are to come. Raises TooLarge."""
        if len(self._bytes) + more > self._most:
            raise TooLarge(f"the message is larger than {self._most} bytes")

    def check(self, data: bytes) -> None:
        """Look at the next bytes, each once. Raises UnicodeDecodeError at the first wrong one."""
        if self._decoder is not None:
            self._decoder.decode(data)
            begun, _ = self._decoder.getstate()
            if SURROGATE <= begun < AFTER:
                begun.decode()

    def add(self, data: bytes) -> None:
        """Keep bytes that were checked. Raises TooLarge."""
        self.expect(len(data))
        self._bytes += data

    def end(self, data: bytes) -> str | bytes:
        """Give the whole, of which *data* is the last. Raises TooLarge and UnicodeDecodeError."""
        if self._bytes:
            self.add(data)
            data = bytes(self._bytes)
        else:  # the usual message: one frame, of which there is no second copy
            self.expect(len(data))
        return data.decode() if self.is_text else data
