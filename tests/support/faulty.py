"""The application of process tests, which has a use for faulthandler of its own."""

import faulthandler
import signal

from tests.support.apps import app

__all__ = ["app"]

faulthandler.enable()
faulthandler.register(signal.SIGRTMIN + 5)
