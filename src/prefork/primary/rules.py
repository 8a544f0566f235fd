"""By which rules connections are given out, as the settings make them."""

from collections.abc import Callable
from dataclasses import dataclass

from prefork.policy.dealing import Policy
from prefork.primary.arrivals import Identify, client_of


@dataclass(frozen=True, slots=True)
class Rules:
    """*policy*: makes that of one address. *most*: connections of all workers together, where all
    come from the primary; 0: any number. *identify*: says whose one is."""

    policy: Callable[[], Policy]
    most: int = 0
    identify: Identify = client_of
