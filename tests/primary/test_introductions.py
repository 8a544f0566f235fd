"""Who wants a line to the hub gets one, to every hub there will be; here over real descriptors."""

from collections.abc import Iterator

import pytest
from tests.primary import party as parties

from prefork.core.facts import HubWanted, Misbehaved
from prefork.core.process import Role
from prefork.primary.children import Child
from prefork.primary.introductions import TRY_AGAIN, Introductions
from prefork.wire.messages import Attach, Introduce

NOW = 100.0


class Party(parties.Party):
    def __init__(self) -> None:
        super().__init__()
        self.introductions = Introductions(self.say, lambda id: f"web/{id}")

    def bury(self, child: Child) -> None:
        self.introductions.bury(child)
        self.dismiss(child)


@pytest.fixture
def party() -> Iterator[Party]:
    with parties.thrown(Party) as it:
        yield it


def check_line(party: Party, hub: Child, worker: Child) -> None:
    """The hub and the worker were each given an end of one line."""
    assert party.heard(hub) == [Attach(f"web/{worker.id}")]
    assert party.heard(worker) == [Introduce("hub")]
    its, ours = party.take(hub), party.take(worker)
    ours.send(b"?")
    assert its.recv(1) == b"?"


def test_one_that_wants_a_line_gets_it_when_there_is_a_hub(party: Party) -> None:
    worker = party.add(Role.WORKER)
    assert party.introductions.want(worker, NOW) == [HubWanted()]
    assert party.heard(worker) == []
    hub = party.add(Role.HUB)
    assert party.introductions.open(hub, NOW) == []
    check_line(party, hub, worker)


def test_one_that_comes_later_gets_it_at_once_and_another_when_it_wants_one(party: Party) -> None:
    hub, worker = party.add(Role.HUB), party.add(Role.WORKER)
    party.introductions.open(hub, NOW)
    for now in (NOW, NOW + TRY_AGAIN):
        party.introductions.want(worker, now)
        check_line(party, hub, worker)


def test_the_next_hub_is_given_a_line_to_all_that_live(party: Party) -> None:
    hub, first, second = party.add(Role.HUB), party.add(Role.WORKER), party.add(Role.WORKER)
    party.introductions.open(hub, NOW)
    party.introductions.want(first, NOW)
    check_line(party, hub, first)
    party.introductions.want(second, NOW)
    check_line(party, hub, second)
    party.bury(hub)
    party.bury(first)
    party.introductions.want(second, NOW)
    assert party.heard(second) == []
    hub = party.add(Role.HUB)
    party.introductions.open(hub, NOW)
    check_line(party, hub, second)


def test_a_hub_gets_all_its_ends_before_a_worker_does(party: Party) -> None:
    hub, *workers = [party.add(Role.HUB), *(party.add(Role.WORKER) for _ in range(3))]
    for each in workers:
        party.introductions.want(each, NOW)
    party.introductions.open(hub, NOW)
    attached = [(hub.id, "Attach")] * len(workers)
    assert party.told == attached + [(each.id, "Introduce") for each in workers]


def test_only_a_worker_may_want_one(party: Party) -> None:
    hub = party.add(Role.HUB)
    assert party.introductions.want(hub, NOW) == [Misbehaved(hub.id)]
    party.introductions.open(hub, NOW)
    assert party.heard(hub) == []


@pytest.mark.parametrize("role", [Role.HUB, Role.WORKER], ids=lambda role: str(role.value))
def test_a_line_that_can_not_be_laid_is_laid_a_second_later(party: Party, role: Role) -> None:
    hub, worker = party.add(Role.HUB), party.add(Role.WORKER)
    party.introductions.open(hub, NOW)
    assert party.introductions.next_check() is None
    party.refuses = hub if role is Role.HUB else worker
    assert party.introductions.want(worker, NOW) == [HubWanted()]
    if role is Role.WORKER:  # the hub has its end, and sees that it is of no use
        assert party.heard(hub) == [Attach("web/2")]
        assert party.take(hub).recv(1) == b""
    party.refuses = None
    assert list(party.introductions.check(NOW + TRY_AGAIN / 2)) == []
    assert party.heard(worker) == []
    assert party.introductions.next_check() == NOW + TRY_AGAIN
    assert list(party.introductions.check(NOW + TRY_AGAIN)) == []
    check_line(party, hub, worker)
    assert party.introductions.next_check() is None


def test_one_that_died_while_it_was_owed_a_line_is_forgotten(party: Party) -> None:
    hub, worker = party.add(Role.HUB), party.add(Role.WORKER)
    party.introductions.open(hub, NOW)
    party.refuses = hub
    party.introductions.want(worker, NOW)
    party.refuses = None
    party.bury(worker)
    assert list(party.introductions.check(NOW + TRY_AGAIN)) == []
    assert party.heard(hub) == []


def test_whoever_asks_again_and_again_gets_a_line_a_second(party: Party) -> None:
    hub, greedy, other = party.add(Role.HUB), party.add(Role.WORKER), party.add(Role.WORKER)
    party.introductions.open(hub, NOW)
    party.introductions.want(greedy, NOW)
    party.told.clear()
    for tenth in range(9):
        party.introductions.want(greedy, NOW + tenth / 10)
        assert list(party.introductions.check(NOW + tenth / 10)) == []
    assert party.told == []
    party.introductions.check(NOW + TRY_AGAIN)
    party.introductions.want(greedy, NOW + 1.5)
    party.introductions.want(other, NOW + 1.5)
    assert [id for id, word in party.told if word == "Introduce"] == [greedy.id, other.id]


def test_one_that_does_not_read_its_channel_gets_no_other_line(party: Party) -> None:
    hub, deaf = party.add(Role.HUB), party.add(Role.WORKER)
    party.introductions.open(hub, NOW)
    party.introductions.want(deaf, NOW)
    party.introductions.want(deaf, NOW + TRY_AGAIN / 2)
    party.deafen(deaf)
    party.told.clear()
    party.introductions.check(NOW + 2 * TRY_AGAIN)
    assert party.told == []
    party.heard(deaf)
    assert deaf.channel.flush()
    party.introductions.check(NOW + 4 * TRY_AGAIN)
    assert party.told == [(hub.id, "Attach"), (deaf.id, "Introduce")]
