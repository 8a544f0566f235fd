"""What every test runs under."""

import gc

from hypothesis import settings

# How long an example takes says more of what else the machine does than of the code.
settings.register_profile("prefork", deadline=None)
settings.load_profile("prefork")


def pytest_collection_finish() -> None:
    """Keep the collector from what stays anyhow: it takes 0.2 s to go through 11,000 tests."""
    gc.collect()
    gc.freeze()
