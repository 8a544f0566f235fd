"""The policies by name: who accepts a connection, and whom the primary gives what it has."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from prefork.policy.affinity import Affinity
from prefork.policy.dealing import Policy
from prefork.policy.fewest import Fewest
from prefork.policy.rotation import Rotation


class Accepts(Enum):
    """Who takes connections off a listener."""

    PRIMARY = "the primary"
    ANY = "whichever worker is first"
    SLOT = "the worker of the listener's slot; without one the primary"


@dataclass(frozen=True, slots=True)
class Scheme:
    """*policy*: for what the primary accepts, and for what is left when the listeners close."""

    accepts: Accepts
    policy: Callable[[], Policy]


SCHEMES = {
    "rr": Scheme(Accepts.PRIMARY, Rotation),
    "least": Scheme(Accepts.PRIMARY, Fewest),
    "hash": Scheme(Accepts.PRIMARY, Affinity),
    "shared": Scheme(Accepts.ANY, Rotation),
    "reuseport": Scheme(Accepts.SLOT, Rotation),
}
