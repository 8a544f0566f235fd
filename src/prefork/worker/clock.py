"""Wall time, for the Date header; everything else uses the event loop's monotonic clock."""

import time
from email.utils import formatdate


def date_line() -> bytes:
    """The Date header of now, as a line of an answer's head: RFC 9110, section 6.6.1."""
    return b"\r\ndate: " + formatdate(time.time(), usegmt=True).encode()  # noqa: TID251
