"""An exit handler that forks for each that goes needs not know of reloads."""

from prefork.cluster.handle import Worker
from prefork.cluster.heirs import Heirs


def worker(id: int, slot: int = 0) -> Worker:
    return Worker(None, id, slot, 1)


def test_the_one_that_a_reload_has_brought_is_given_once() -> None:
    heirs = Heirs()
    elder, heir = worker(1), worker(3)
    heirs.bring(3)
    heirs.find(elder, [worker(2, slot=1), heir])
    assert heirs.take() is heir
    assert heirs.take() is None


def test_where_the_one_that_came_dies_its_elder_stands_for_it() -> None:
    heirs = Heirs()
    elder = worker(1)
    heirs.bring(3)
    heirs.find(worker(3), [elder])
    assert heirs.take() is elder


def test_after_any_other_exit_nobody_stands_there() -> None:
    heirs = Heirs()
    heirs.find(worker(1), [worker(2)])
    assert heirs.take() is None
    heirs.bring(3)
    heirs.find(worker(1), [worker(3)])
    heirs.forget()
    assert heirs.take() is None
