"""Who gets what, what is dropped, and when a hub begins to route."""

import resource
from collections.abc import Sequence

import pytest

from prefork.bus import envelope, routing
from prefork.bus.envelope import Frame, Kind
from prefork.bus.routing import ENTRY, PIECE, Member, Router
from prefork.errors import RemoteError

CHAT = b"chat"


def router(*names: str) -> tuple[Router, Sequence[Member]]:
    """A router whose members have greeted, and been welcomed."""
    made, members = Router(), [Member(name, most=1000 + 3 * ENTRY) for name in names]
    for each in members:
        made.add(each)
    made.settle()
    for each in members:
        say(made, each, Kind.HELLO, 0)
        each.take()
    return made, members


def say(to: Router, member: Member, kind: Kind, number: int, *words: bytes) -> set[str]:
    """Say one frame, with a channel and a payload; return for whom there is something."""
    touched = to.heed(member, envelope.encode(kind, 99, number, *words))
    return {each.name for each in touched}


def taken(member: Member) -> list[tuple[int, int, bytes]]:
    """Kind, number and payload of all that waits for it."""
    found: list[Frame] = []
    while data := member.take():
        found += envelope.frames(data)
    return [(frame.kind, frame.number, frame.payload) for frame in found]


def test_a_message_goes_to_all_who_subscribed_but_its_sender_and_is_acknowledged() -> None:
    it, (one, two, three, four) = router("one", "two", "three", "four")
    for each in (one, two, three):
        say(it, each, Kind.SUBSCRIBE, 1, CHAT)
        assert taken(each) == [(Kind.ACK, 1, b"")]
    assert say(it, one, Kind.PUBLISH, 2, CHAT, b"hello") == {"one", "two", "three"}
    assert taken(one) == [(Kind.ACK, 2, b"")]
    assert taken(two) == taken(three) == [(Kind.PUBLISH, 2, b"hello")]
    assert taken(four) == []


def test_many_messages_are_acknowledged_at_once() -> None:
    it, (one,) = router("one")
    for number in (1, 2, 3):
        say(it, one, Kind.PUBLISH, number, CHAT)
    assert taken(one) == [(Kind.ACK, 3, b"")]
    assert taken(one) == []


def test_who_unsubscribes_gets_no_more() -> None:
    it, (one, two) = router("one", "two")
    say(it, two, Kind.SUBSCRIBE, 1, CHAT)
    say(it, two, Kind.SUBSCRIBE, 2, CHAT)
    say(it, two, Kind.UNSUBSCRIBE, 3, CHAT)
    say(it, two, Kind.UNSUBSCRIBE, 4, CHAT)
    taken(two)
    assert say(it, one, Kind.PUBLISH, 1, CHAT) == {"one"}
    assert taken(two) == []


def test_who_reads_too_slowly_loses_the_oldest_and_is_told_how_many() -> None:
    it, (one, two) = router("one", "two")
    say(it, two, Kind.SUBSCRIBE, 1, CHAT)
    taken(two)
    for number in range(1, 11):
        say(it, one, Kind.PUBLISH, number, CHAT, bytes(270))  # 300 bytes with what is around it
    kept = [(Kind.PUBLISH, number, bytes(270)) for number in (8, 9, 10)]
    assert taken(two) == [(Kind.MISSED, 7, b""), *kept]
    assert two.dropped == 7
    say(it, one, Kind.PUBLISH, 11, CHAT, b"x")
    assert taken(two) == [(Kind.PUBLISH, 11, b"x")]


def test_small_messages_count_for_what_they_cost() -> None:
    member = Member("one")
    frame = envelope.encode(Kind.PUBLISH, 99, 1, CHAT, b"hi")
    before = rss()
    while not member.dropped:
        member.put(bytes(bytearray(frame)), 1)  # each of its own, as they come
    assert rss() - before < 1.5 * routing.MOST_QUEUED


def rss() -> int:
    """Bytes of this process, at most ever."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_who_subscribes_to_more_than_anybody_needs_is_at_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(routing, "MOST_CHANNELS", 2)
    it, (one,) = router("one")
    for channel in (b"1", b"2", b"1"):
        say(it, one, Kind.SUBSCRIBE, 1, channel)
    with pytest.raises(RemoteError, match="more than 2 channels"):
        say(it, one, Kind.SUBSCRIBE, 2, b"3")


def test_a_message_that_is_larger_than_a_queue_is_still_kept() -> None:
    it, (one, two) = router("one", "two")
    say(it, two, Kind.SUBSCRIBE, 1, CHAT)
    taken(two)
    say(it, one, Kind.PUBLISH, 1, CHAT, b"small")
    say(it, one, Kind.PUBLISH, 2, CHAT, bytes(5000))
    assert taken(two) == [(Kind.MISSED, 1, b""), (Kind.PUBLISH, 2, bytes(5000))]


def test_what_waits_is_taken_in_pieces_so_that_the_rest_can_still_be_dropped() -> None:
    member = Member("one", most=10 * PIECE)
    frame = envelope.encode(Kind.PUBLISH, 99, 1, CHAT, bytes(PIECE // 2))
    for _ in range(5):
        member.put(frame, 1)
    pieces = []
    while data := member.take():
        pieces.append(len(data) // len(frame))
    assert pieces == [2, 2, 1]


def test_whoever_asks_is_told_who_was_asked() -> None:
    it, (one, two, three) = router("one", "two", "three")
    for each in (one, two, three):
        say(it, each, Kind.SUBSCRIBE, 1, CHAT)
        taken(each)
    say(it, one, Kind.ASK, 2, CHAT, b"?")
    assert taken(one) == [(Kind.ACK, 2, b""), (Kind.ROLL, 2, b"two\0three")]
    assert taken(two) == taken(three) == [(Kind.ASK, 2, b"?")]
    say(it, one, Kind.ASK, 3, b"nobody", b"?")
    assert taken(one) == [(Kind.ACK, 3, b""), (Kind.ROLL, 3, b"")]


def test_the_others_are_told_who_has_gone_and_it_gets_no_more() -> None:
    it, (one, two, three) = router("one", "two", "three")
    say(it, three, Kind.SUBSCRIBE, 1, CHAT)
    assert it.remove(three) == {one, two}
    assert taken(one) == taken(two) == [(Kind.GONE, 0, b"three")]
    assert say(it, one, Kind.PUBLISH, 1, CHAT) == {"one"}


def test_nobody_is_welcome_before_all_have_said_what_they_subscribe_to() -> None:
    it, one, two = Router(), Member("one"), Member("two")
    it.add(one)
    it.add(two)
    assert say(it, one, Kind.HELLO, 0) == {"one"}
    assert taken(one) == []
    say(it, two, Kind.SUBSCRIBE, 0, CHAT)
    assert say(it, two, Kind.HELLO, 0) == {"one", "two"}
    assert taken(one) == taken(two) == [(Kind.HELLO, 0, b"")]
    assert it.is_settled


def test_who_says_nothing_is_not_waited_for_for_ever_and_later_ones_are_welcome_at_once() -> None:
    it, one, two, three = Router(), Member("one"), Member("two"), Member("three")
    it.add(one)
    it.add(two)
    say(it, one, Kind.HELLO, 0)
    assert it.settle() == {one}
    assert taken(one) == [(Kind.HELLO, 0, b"")]
    it.add(three)
    assert say(it, three, Kind.HELLO, 0) == {"three"}
    assert taken(three) == [(Kind.HELLO, 0, b"")]


@pytest.mark.parametrize("kind", [Kind.ACK, Kind.ROLL, Kind.GONE, Kind.MISSED, 77])
def test_what_only_a_hub_says_is_the_workers_fault(kind: int) -> None:
    it, (one,) = router("one")
    frame = envelope.encode(kind, 99, 1)  # type: ignore[arg-type]
    with pytest.raises(RemoteError, match="a worker sent"):
        it.heed(one, frame)


def test_who_speaks_in_anothers_name_is_at_fault_and_nobody_hears_it() -> None:
    it, (one, two) = router("one", "two")
    say(it, two, Kind.SUBSCRIBE, 1, b"chat")
    two.take()
    frame = envelope.encode(Kind.PUBLISH, 98, 2**64 - 1, b"chat", b"x")
    with pytest.raises(RemoteError, match="another's name"):
        it.heed(one, frame)
    assert taken(two) == []
