"""Fleets brought into a state by facts alone."""

from prefork.core.facts import Fact, Forked, Ready
from prefork.core.fleet import Fleet
from prefork.core.orders import Appoint, Order, Spawn, StartTemplate
from prefork.core.plan import Plan


def plan(workers: int = 2, *, templates: bool = True, preload: bool = True) -> Plan:
    return Plan(workers, templates, preload, start_timeout=10, graceful_timeout=30)


def tell(fleet: Fleet, now: float, *facts: Fact) -> list[Order]:
    """Tell the facts in turn; return all orders, but who is to lead: see test_leadership.py."""
    orders = [order for fact in facts for order in fleet.handle(fact, now)]
    return [order for order in orders if not isinstance(order, Appoint)]


def serving(workers: int = 2, *, now: float = 0.0, preload: bool = True) -> Fleet:
    """A fleet whose template has id and pid 1 and 101, its workers 2, 3, … and 102, 103, …"""
    fleet = Fleet(plan(workers, preload=preload))
    assert fleet.start(now) == [StartTemplate(1, 1, loaded=preload)]
    orders = tell(fleet, now, Forked(1, 101), Ready(1))
    assert orders == [Spawn(2 + slot, slot, 1, template=1) for slot in range(workers)]
    for id in range(2, 2 + workers):
        tell(fleet, now, Forked(id, 100 + id), Ready(id))
    assert fleet.state == "serving"
    return fleet
