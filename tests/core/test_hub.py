"""The hub: not before somebody wants it, then always one, and it goes last."""

from tests.core.fleets import serving, tell

from prefork.core.facts import Exited, Forked, HubWanted, LeftRotation, Ready, StopRequested
from prefork.core.fleet import Fleet
from prefork.core.orders import AskToStop, Finish, Kill, Note, OpenHub, StartHub
from prefork.errors import ExitCode


def with_hub() -> Fleet:
    fleet = serving(1)
    assert tell(fleet, 0.0, HubWanted()) == [StartHub(3, 1)]
    assert tell(fleet, 0.0, HubWanted(), Forked(3, 103)) == []
    assert tell(fleet, 0.0, Ready(3)) == [OpenHub(3)]
    return fleet


def test_it_is_started_once_when_somebody_wants_it() -> None:
    fleet = with_hub()
    assert tell(fleet, 1.0, HubWanted()) == []
    assert fleet.next_deadline() is None
    assert fleet.state == "serving"


def test_one_that_dies_is_started_again_and_after_short_lives_later() -> None:
    fleet = with_hub()
    assert tell(fleet, 100.0, Exited(3, -9)) == [StartHub(4, 1)]
    assert tell(fleet, 100.1, Forked(4, 104), Exited(4, 1)) == [StartHub(5, 1)]
    [note] = tell(fleet, 100.2, Forked(5, 105), Exited(5, 1))
    assert isinstance(note, Note)
    assert note.event == "backing_off"
    due = fleet.next_deadline()
    assert due is not None
    assert 100.2 < due < 100.5
    assert fleet.tick(due) == [StartHub(6, 1)]


def test_one_that_does_not_become_ready_is_killed() -> None:
    fleet = serving(1)
    tell(fleet, 0.0, HubWanted(), Forked(3, 103))
    assert Kill(3) in fleet.tick(10.0)


def test_it_is_told_to_stop_when_the_last_worker_has_gone() -> None:
    fleet = with_hub()
    orders = tell(fleet, 5.0, StopRequested())
    assert AskToStop(3, 0.0) not in orders
    orders = tell(fleet, 5.0, LeftRotation(2), Exited(2, 0))
    assert orders == [AskToStop(1, 0.0), AskToStop(3, 0.0)]
    assert tell(fleet, 5.0, Exited(3, 0), Exited(1, 0)) == [Finish(ExitCode.OK)]


def test_nobody_starts_one_while_all_end() -> None:
    fleet = serving(1)
    orders = tell(fleet, 5.0, StopRequested(), HubWanted())
    assert not any(isinstance(order, StartHub) for order in orders)
