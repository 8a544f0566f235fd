"""Amounts of memory, as they are written."""

import re

_FORM = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?) ?([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def bytes_of(text: str) -> int:
    """Read it: 200M, 200MB and 200MiB are the same, as with PM2 and Docker. Raises ValueError."""
    found = _FORM.fullmatch(text)
    if found is None or (found[3] and not found[2]):
        raise ValueError(text)
    return int(float(found[1]) * 1024 ** _POWERS[found[2].lower()])
