"""What goes between the engine and a Dask worker, in types that Dask's queues take too."""

from typing import NamedTuple

from prefork.pool.codec import Parcel
from prefork.pool.engine import WINDOW

PREFIX = "prefork:"  # of the keys by which Dask knows our tasks
RESULT, ERROR, CANCELLED, BEGUN_BEFORE = "result", "error", "cancelled", "begun before"
OVER, SHARED, ALONE = "is over", "ends with its other tasks", "has no nanny, and goes on"
ON_ITS_WAY = WINDOW // 2  # items of a stream that the scheduler holds; the engine has as many

Wire = tuple[bytes, list[bytes]]  # a parcel
Answer = tuple[str, Wire]  # what came of a task, by one of the four words above


class Order(NamedTuple):
    """What is to be run. *name*: of no other task. The other three are names of Dask's queues.

    *inbox*: there the engine hears that it has begun. *claim*: it has room for one, which is who
    begins the task. *items*: of a stream, and None at its end; None: it is none.
    """

    name: str
    inbox: str
    claim: str
    items: str | None
    call: Wire


def to_wire(parcel: Parcel) -> Wire:
    return parcel.body, [bytes(each) for each in parcel.buffers]


def from_wire(wire: Wire) -> Parcel:
    """Whoever gets its buffers may write to them."""
    body, buffers = wire
    return Parcel(body, [memoryview(bytearray(each)) for each in buffers])
