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
    """*policy*: for what the primary accepts, and for what is left when the listeners close.

    *is_by_client*: it wants to know whose a connection is, also where a proxy stands between.
    """

    accepts: Accepts
    policy: Callable[[], Policy]
    is_by_client: bool = False


SCHEMES = {
    "rr": Scheme(Accepts.PRIMARY, Rotation),
    "least": Scheme(Accepts.PRIMARY, Fewest),
    "hash": Scheme(Accepts.PRIMARY, Affinity, is_by_client=True),
    "shared": Scheme(Accepts.ANY, Rotation),
    "reuseport": Scheme(Accepts.SLOT, Rotation),
}
