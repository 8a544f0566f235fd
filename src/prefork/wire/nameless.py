"""A file without a name: memory that processes share, gone with the last one that has it."""

import os
import tempfile


def nameless_file(what: str, size: int) -> int:
    """Make one of *size* zeros; returns its descriptor. *what*: as lists of descriptors tell it.

    Raises OSError.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create(f"prefork-{what}")
    else:  # not Linux
        with tempfile.TemporaryFile() as made:
            descriptor = os.dup(made.fileno())
    try:
        os.ftruncate(descriptor, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
