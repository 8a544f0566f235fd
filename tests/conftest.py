"""What every test runs under."""

import gc
import sys

import pytest
from hypothesis import settings

# How long an example takes says more of what else the machine does than of the code.
settings.register_profile("prefork", deadline=None)
settings.load_profile("prefork")


def pytest_collection_finish() -> None:
    """Keep the collector from what stays anyhow: it takes 0.2 s to go through 11,000 tests."""
    gc.collect()
    gc.freeze()
    gc.collect()  # or it would look for garbage once there is a quarter of what it was kept from


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Let go of what a test that failed has left in its frames.

    pytest keeps them for a debugger until the next test is called. By then that one's fixtures have
    counted descriptors, and would be told that some are missing.
    """
    if hasattr(sys, "last_traceback"):
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            vars(sys).pop(name, None)
        gc.collect()
