"""How a connection leaves a worker that drains for another one, and its client sees nothing of it.

Where a worker hands back, no answer says that it is the last. Between two requests the connection
is not read from any more: what arrives stays in the kernel, and goes along.
"""

import asyncio
import random
import socket
from typing import cast

from prefork.worker.ending import Ending
from prefork.worker.flow import FOREVER, IDLE, MOVING, OPENING
from prefork.worker.service import DRAIN_WINDOW

_NOBODY = asyncio.Protocol()  # what a transport is left to that is to be forgotten


class Departing(Ending):
    """The part of a connection that moves."""

    __slots__ = ("_is_queued",)

    def resume(self) -> None:
        """Be what another worker had, between two requests, when it is made."""
        self._phase = IDLE

    def is_last(self) -> bool:
        hand_back = self.service.hand_back
        return super().is_last() and (hand_back is None or not hand_back.is_open)

    def drain(self, delay: float) -> None:
        """Leave, if nothing of a request is here; else after the next answer."""
        if not self._depart():
            super().drain(delay)

    def expire(self) -> None:
        """The deadline passed: of a client that has an answer to take before we can leave."""
        if self._phase is not MOVING:
            super().expire()
        elif not self._is_taking():
            self._linger()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._phase is MOVING:
            self._go()

    def _go_away(self) -> None:
        """Nothing more is to be answered here."""
        if self.at_eof:
            self._close()
        else:
            self._depart()

    def _depart(self) -> bool:
        """Leave, if this is a moment between two requests; False: it isn't."""
        connection, hand_back = self.connection, self.service.hand_back
        if hand_back is None or not hand_back.is_open:
            return False
        is_between = self._phase is IDLE or self._phase is OPENING
        is_begun = connection.ready or connection.in_head or connection.in_body
        if not is_between or is_begun or connection.ended:
            return False
        self._is_queued = False
        self._hold()  # at once: whoever waits for the last write can wait for ever otherwise
        self._phase = MOVING
        self._unsent = FOREVER
        self.deadline = self.service.now + self.service.limits.send_timeout
        self.service.loop.call_soon(self._go)  # uvloop has sent then what was just written
        return True

    def _go(self) -> None:
        """Leave now, or when all is written: to give up a transport is to lose what it has."""
        if self._phase is not MOVING or self._is_queued:
            return  # the last write was told of before our turn: twice would be two connections
        if self.transport.get_write_buffer_size():
            self.transport.set_write_buffer_limits(0)  # so that we are told
        else:
            assert self.service.hand_back is not None
            self._is_queued = True
            self.service.hand_back.take(self)

    # What hands back calls.

    @property
    def has_left(self) -> bool:
        """It was closed meanwhile."""
        return self._phase is not MOVING

    def socket(self) -> socket.socket:
        return cast(socket.socket, self.transport.get_extra_info("socket"))

    def leave(self) -> None:
        """Forget the connection: it is somebody else's. Neither loop sends anything for this."""
        self.transport.set_protocol(_NOBODY)
        self.transport.abort()
        self.service.handed_back()
        self.connection_lost(None)

    def stay(self) -> None:
        """Go on as a connection that drains."""
        self.transport.set_write_buffer_limits()
        self._phase = IDLE
        delay = random.uniform(0, DRAIN_WINDOW)
        self.deadline = self.service.now + self.service.idle_timeout + delay
        self._release()
