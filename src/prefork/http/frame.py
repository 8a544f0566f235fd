"""The head of a WebSocket's frame: how long the frame is, and what kind (RFC 6455, section 5.2)."""

from typing import NamedTuple, Self

DEFLATED = 0x40  # RFC 7692, section 6
LONGEST_CONTROL = 125  # RFC 6455, section 5.5
_EXTENDED = {126: 2, 127: 8}  # what stands for the length → in how many bytes that follows


class FrameHead(NamedTuple):
    """As far as it must be known before the frame is complete."""

    data: bytes  # itself
    length: int  # of the payload

    @classmethod
    def begun_by(cls, data: bytes | bytearray) -> Self | None:
        """The head that *data* begins with; None where it is incomplete."""
        if len(data) < 2:  # noqa: PLR2004
            return None
        length = data[1] & 0x7F
        after = 2 + _EXTENDED.get(length, 0)
        end = after + (4 if data[1] & 0x80 else 0)
        if len(data) < end:
            return None
        if after > 2:  # noqa: PLR2004
            length = int.from_bytes(data[2:after], "big")
        return cls(bytes(data[:end]), length)

    @property
    def is_control(self) -> bool:
        return bool(self.data[0] & 0x08)

    @property
    def is_close(self) -> bool:
        return self.data[0] & 0x0F == 8  # noqa: PLR2004

    @property
    def is_text(self) -> bool:
        return self.data[0] & 0x0F == 1

    @property
    def is_start(self) -> bool:
        """Whether a message begins with it."""
        return self.data[0] & 0x0F in (1, 2)

    @property
    def is_final(self) -> bool:
        return bool(self.data[0] & 0x80)

    @property
    def reserved(self) -> int:
        """The bits that only an extension gives a meaning: DEFLATED, and two others."""
        return self.data[0] & 0x70

    def mask(self, offset: int) -> bytes:
        """The mask of a payload from *offset* on."""
        mask, turn = self.data[-4:], offset % 4
        return mask[turn:] + mask[:turn]
