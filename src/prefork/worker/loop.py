"""Which event loop workers run."""

import asyncio
from collections.abc import Callable

try:
    import uvloop

    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
except ImportError:  # a platform that uvloop isn't built for
    new_event_loop = asyncio.new_event_loop
