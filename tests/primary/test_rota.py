"""Who is given a connection: the heir of what was another's, else whoever the policy says."""

from prefork.policy.ledger import LEGACY, STUCK_AFTER, WINDOW, Account
from prefork.policy.rotation import Rotation
from prefork.primary.arrivals import Connection
from prefork.primary.rota import Parcels, Rota, Rotas

ROOM = 1000  # connections


def look(account: Account) -> None:
    """See a worker that has taken nothing, and has room."""
    account.observe(0, 0, connections=0, room=ROOM, now=0.0)


def rota_of(*slots: int) -> Rota:
    rota = Rota(Rotation())
    for id, slot in enumerate(slots, 1):
        rota.join(Account(id, slot))
    return rota


def new(count: int) -> list[Connection]:
    return [Connection(0, 100 + number, None) for number in range(count)]


def moved(count: int, slot: int) -> list[Connection]:
    return [Connection(0, 200 + number, None, slot) for number in range(count)]


def sizes(parcels: Parcels) -> dict[tuple[int, bool], int]:
    return {each: len(batch) for each, batch in parcels.items()}


def test_new_ones_are_dealt_and_moved_ones_are_inherited() -> None:
    rota = rota_of(0, 1)
    parcels, rest = rota.deal([*new(4), *moved(3, slot=1)], look)
    assert sizes(parcels) == {(1, False): 2, (2, False): 2, (2, True): 3}
    assert rest == []


def test_of_two_in_a_slot_the_last_to_join_inherits() -> None:
    parcels, _ = rota_of(0, 0).deal(moved(1, slot=0), look)
    assert sizes(parcels) == {(2, True): 1}


def test_without_an_heir_they_are_dealt() -> None:
    rota = rota_of(0, 1)
    rota.leave(2)
    parcels, _ = rota.deal(moved(2, slot=1), look)
    assert sizes(parcels) == {(1, True): 2}


def test_an_heir_takes_more_than_a_window_and_no_more_than_it_has_room_for() -> None:
    parcels, rest = rota_of(0).deal(moved(ROOM + 5, slot=0), look)
    assert sizes(parcels) == {(1, True): ROOM}
    assert len(rest) == 5


def test_what_is_handed_back_can_wait_while_much_is_on_its_way_to_an_heir_that_takes_it() -> None:
    rota = Rota(Rotation())
    heir = Account(1, 0)
    rota.join(heir)
    assert not rota.can_wait(0, look)
    parcels, _ = rota.deal(moved(LEGACY, slot=0), look)
    heir.offered(sum(sizes(parcels).values()), now=0.0)
    assert rota.can_wait(0, look)
    assert not rota.can_wait(1, look), "nobody inherits there"
    heir.judge(STUCK_AFTER)
    assert not rota.can_wait(0, look), "it is stuck"


def test_an_heir_that_has_its_hands_full_is_dealt_nothing_new() -> None:
    rota = rota_of(0, 1)
    rota.deal(moved(WINDOW, slot=0), look)
    parcels, _ = rota.deal(new(2), look)
    assert sizes(parcels) == {(2, False): 2}


# By address


def test_a_worker_is_in_the_rotas_of_what_it_serves_and_each_has_a_turn_of_its_own() -> None:
    rotas = Rotas(Rotation)
    for id, addresses in ((1, [0]), (2, [0, 1]), (3, [1])):
        rotas.join(Account(id, slot=id), addresses)
    for address, ids in ((0, [1, 2, 1]), (1, [2, 3, 2])):
        order = []
        for each in new(3):
            parcels, _ = rotas.deal(address, [each], look)
            order += [id for id, _ in parcels]
        assert order == ids


def test_what_comes_for_nobody_is_left() -> None:
    rotas = Rotas(Rotation)
    rotas.join(account := Account(1, 0), [0, 1])
    rotas.leave(account.id, [1, 7])
    assert (0 in rotas, 1 in rotas, len(rotas)) == (True, False, 1)
    connections = new(2)
    assert rotas.deal(1, connections, look) == ({}, connections)


def test_what_is_handed_back_can_wait_for_an_heir_of_whichever_address() -> None:
    rotas = Rotas(Rotation)
    rotas.join(Account(1, 0), [0])
    rotas.join(heir := Account(2, 5), [1])
    assert not rotas.can_wait(5, look)
    parcels, _ = rotas.deal(1, moved(LEGACY, slot=5), look)
    heir.offered(sum(sizes(parcels).values()), now=0.0)
    assert rotas.can_wait(5, look)
    assert not rotas.can_wait(0, look)
