"""Wall time, for the Date header and the age of files; all else uses the monotonic clock."""

import time
from email.utils import formatdate


def wall_time() -> float:
    """Unix seconds."""
    return time.time()  # noqa: TID251


def date_line() -> bytes:
    """The Date header of now, as a line of an answer's head: RFC 9110, section 6.6.1."""
    return b"\r\ndate: " + formatdate(wall_time(), usegmt=True).encode()
