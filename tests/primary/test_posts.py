"""What the primary and its workers say to each other for users' code, and who pays for what."""

import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest
from tests.primary.office import Office, letters, office, tell, told
from tests.support.scarcity import used_up

from prefork.core.facts import Misbehaved
from prefork.core.process import Role
from prefork.primary.mailboxes import TRY_AGAIN
from prefork.primary.posts import Said
from prefork.primary.questions import Answer
from prefork.wire import descriptors
from prefork.wire.letters import Kind, Letter
from prefork.wire.post import BACKLOG, READ, Post, decode, encode


@dataclass(frozen=True)
class Point:
    x: int


@pytest.fixture
def it() -> Iterator[Office]:
    gc.collect()  # boards of tests before, whose descriptors would be closed meanwhile
    before = descriptors.count_open()
    with office() as it:
        yield it
    assert descriptors.count_open() == before, "something is left open"


# -- lines -------------------------------------------------------------------


def test_no_line_is_laid_before_somebody_wants_one(it: Office) -> None:
    child = it.hire()
    before = descriptors.count_open()
    it.turns(3)
    assert descriptors.count_open() == before
    assert it.channels[child.id].receive() == []
    assert it.posts.next_check() is None


def test_a_worker_that_wants_a_line_gets_it_and_its_message_is_told_with_its_sender(
    it: Office,
) -> None:
    one, other = it.hire(), it.hire()
    line = it.lay(one)
    assert it.channels[other.id].receive() == []
    tell(line, {"hello": b"there"})
    it.turn()
    assert it.heard == [(one.id, Said({"hello": b"there"}, []))]


def test_a_line_is_laid_by_the_first_message_to_a_worker(it: Office) -> None:
    child = it.hire()
    assert it.posts.send(child.id, "first")
    assert it.posts.send(child.id, "second")
    assert told(it.line_of(child)) == ["first", "second"]


def test_both_may_want_it_at_once(it: Office) -> None:
    child = it.hire()
    it.posts.send(child.id, 1)
    it.posts.mailboxes.want(child, it.now)
    it.posts.mailboxes.want(child, it.now)
    line = it.line_of(child)  # the only one
    assert told(line) == [1]
    tell(line, 2)
    it.turn()
    assert it.values() == [2]


def test_a_line_whose_end_was_lost_on_its_way_is_laid_again(it: Office) -> None:
    child = it.hire()
    it.posts.mailboxes.want(child, it.now)
    with used_up():
        it.channels[child.id].receive()
    with pytest.raises(OSError, match="open files"):
        it.channels[child.id].claim(1)
    line = it.lay(child)
    it.posts.send(child.id, "again")
    assert told(line) == ["again"]


def test_a_line_that_the_system_refuses_is_laid_later_and_what_was_said_waits(
    it: Office, capfd: pytest.CaptureFixture[str]
) -> None:
    child = it.hire()
    with used_up():
        assert it.posts.send(child.id, "waits")
        it.posts.mailboxes.want(child, it.now)
    assert "post_not_laid" in capfd.readouterr().err
    assert it.posts.next_check() == it.now + TRY_AGAIN
    with used_up():
        it.now += TRY_AGAIN
        it.turn()
    it.now += TRY_AGAIN
    it.turn()
    line = it.line_of(child)
    assert told(line) == ["waits"]
    tell(line, "heard")
    it.turn()
    assert it.values() == ["heard"]


def test_only_workers_have_a_post(it: Office) -> None:
    template = it.hire(Role.TEMPLATE)
    assert list(it.posts.mailboxes.want(template, it.now)) == [Misbehaved(template.id)]


# -- messages ----------------------------------------------------------------


def test_a_descriptor_and_800_kb_come_in_one_message(it: Office) -> None:
    line = it.lay(it.hire())
    reading, writing = os.pipe()
    payload = os.urandom(800_000)
    tell(line, payload, [writing])
    os.close(writing)
    while not it.heard:
        line.flush()
        it.turn()
    [(_, said)] = it.heard
    assert said.value == payload
    [received] = said.descriptors
    os.write(received, b"x")
    os.close(received)
    assert os.read(reading, 2) == b"x"
    os.close(reading)


def test_descriptors_stay_the_senders(it: Office) -> None:
    child = it.hire()
    it.posts.send(child.id, "take", [0])
    [letter] = letters(it.line_of(child))
    assert len(letter.descriptors) == 1
    os.fstat(0)
    descriptors.close_all(letter.descriptors)


@pytest.mark.parametrize("value", [object(), {"x": 2**70}], ids=["object", "int"])
def test_what_can_not_be_sent_is_an_error_at_once_and_lays_nothing(
    it: Office, value: object
) -> None:
    child = it.hire()
    for say in (it.posts.send, partial(it.posts.request, timeout=1, then=it.answers.append)):
        with pytest.raises((TypeError, ValueError), match="can't be sent"):
            say(child.id, value)
    assert it.channels[child.id].receive() == []


def test_a_timeout_that_is_no_number_is_refused_for_the_loop_would_never_rest(it: Office) -> None:
    with pytest.raises(ValueError, match="not nan"):
        it.posts.request(it.hire().id, "?", float("nan"), it.answers.append)
    assert it.posts.next_check() is None


def test_where_nobody_listens_messages_are_dropped_and_requests_are_refused(it: Office) -> None:
    it.posts.received = None
    line = it.lay(it.hire())
    tell(line, "a", [0])
    line.send(Kind.REQUEST, 5, encode("b"), [0])
    it.turns(3)
    [letter] = letters(line)
    assert (letter.kind, letter.number) == (Kind.FAILURE, 5)


def test_a_flooding_worker_gets_64_kib_a_turn_and_others_are_heard_in_the_same(it: Office) -> None:
    flooding, quiet = it.hire(), it.hire()
    flood, line = it.lay(flooding), it.lay(quiet)
    while flood.send(Kind.MESSAGE, 0, encode(bytes(1000))):
        continue
    tell(line, "heard")
    it.turn()
    by_flood = [said for who, said in it.heard if who == flooding.id]
    assert 0 < len(by_flood) <= READ // 1000
    assert (quiet.id, Said("heard", [])) in it.heard


# -- back-pressure -----------------------------------------------------------


def test_send_is_false_while_much_is_unsent_and_it_is_told_when_that_is_over(it: Office) -> None:
    child, other = it.hire(), it.hire()
    count = 1
    while it.posts.send(child.id, bytes(100_000)):
        count += 1
    assert count * 100_000 > BACKLOG
    assert it.posts.send(other.id, "not stuck")
    line = it.line_of(child)
    read = 0
    while read < count:
        read += len(line.receive())
        it.turn()
    assert it.drained == [child.id]
    assert it.posts.send(child.id, "more")


def test_a_worker_that_reads_nothing_is_not_waited_for(it: Office) -> None:
    child = it.hire()
    while it.posts.send(child.id, bytes(100_000)):
        continue
    assert it.turns(5) == []
    assert len(it.selector.select(0)) == 0, "the loop spins"


# -- requests ----------------------------------------------------------------


def test_a_request_is_answered_by_its_number(it: Office) -> None:
    child = it.hire()
    for question in ("a", "b"):
        it.posts.request(child.id, question, 5, it.answers.append)
    line = it.line_of(child)
    first, second = letters(line)
    line.send(Kind.REPLY, second.number, encode("B"))
    line.send(Kind.FAILURE, first.number, encode("no"))
    line.send(Kind.REPLY, first.number, encode("too late"))
    it.turns(2)
    assert it.answers == [Answer("B"), Answer(failure="no")]
    assert it.posts.next_check() is None


def test_a_request_fails_at_its_deadline_once(it: Office) -> None:
    child = it.hire()
    it.posts.request(child.id, "?", 5, it.answers.append)
    assert it.posts.next_check() == it.now + 5
    it.now += 4.9
    it.turn()
    assert it.answers == []
    it.now += 0.1
    it.turns(2)
    assert it.answers == [Answer(failure="no answer within 5 s")]
    line = it.line_of(child)
    [letter] = letters(line)
    line.send(Kind.REPLY, letter.number, encode("late"))
    it.turn()
    assert len(it.answers) == 1


def test_a_request_to_a_worker_that_does_not_read_fails_without_its_timeout(it: Office) -> None:
    child = it.hire()
    for _ in range(200):
        it.posts.send(child.id, bytes(100_000))
    it.posts.request(child.id, "?", 5, it.answers.append)
    it.turn()
    assert it.answers == [Answer(failure="it does not read")]


def test_a_worker_can_not_answer_what_another_was_asked(it: Office) -> None:
    asked, liar = it.hire(), it.hire()
    it.posts.request(asked.id, "?", 5, it.answers.append)
    [letter] = letters(it.line_of(asked))
    line = it.lay(liar)
    line.send(Kind.REPLY, letter.number, encode("lie"))
    it.turn()
    assert it.answers == []


def test_a_workers_request_is_answered(it: Office) -> None:
    child = it.hire()
    line = it.lay(child)
    line.send(Kind.REQUEST, 7, encode("?"))
    line.send(Kind.REQUEST, 8, encode("?"))
    it.turn()
    assert [said.number for _, said in it.heard] == [7, 8]
    it.posts.fail(child.id, 8, "not \ud800 now" + "." * 5000)
    it.posts.reply(child.id, 7, {"a": 1})
    failure, reply = letters(line)
    assert (failure.kind, failure.number) == (Kind.FAILURE, 8)
    assert (reply.kind, reply.number, reply.payload) == (Kind.REPLY, 7, encode({"a": 1}))


# -- what is encoded and can't be decoded ------------------------------------

UNREADABLE = encode({Point(1): 2})  # a key that is a map, once it is there


def test_a_message_that_can_not_be_read_is_dropped_and_its_sender_lives(
    it: Office, capfd: pytest.CaptureFixture[str]
) -> None:
    line = it.lay(it.hire())
    for payload in (UNREADABLE, UNREADABLE, encode("after")):
        line.send(Kind.MESSAGE, 0, payload, [0])
    assert it.turns(3) == []
    [(_, said)] = it.heard
    assert said.value == "after"
    descriptors.close_all(said.descriptors)
    assert capfd.readouterr().err.count("message_unreadable") == 1


def test_a_request_that_can_not_be_read_is_refused(it: Office) -> None:
    line = it.lay(it.hire())
    line.send(Kind.REQUEST, 5, UNREADABLE)
    assert it.turn() == []
    [letter] = letters(line)
    assert (letter.kind, letter.number) == (Kind.FAILURE, 5)
    assert "can't be read" in str(decode(letter.payload))


def test_an_answer_that_can_not_be_read_is_none(it: Office) -> None:
    child = it.hire()
    it.posts.request(child.id, "?", 5, it.answers.append)
    line = it.line_of(child)
    [letter] = letters(line)
    line.send(Kind.REPLY, letter.number, UNREADABLE)
    assert it.turns(2) == []
    [answer] = it.answers
    assert "can't be read" in answer.failure


# -- before there is a worker ------------------------------------------------


def test_what_is_said_to_a_worker_that_is_to_come_waits_for_it(it: Office) -> None:
    it.posts.mailboxes.expect(1, "worker 0")
    assert it.posts.send(1, "first", [0])
    it.posts.request(1, "?", 5, it.answers.append)
    child = it.hire()
    it.posts.mailboxes.meet(child)
    line = it.line_of(child)
    first, second = letters(line)
    assert [decode(each.payload) for each in (first, second)] == ["first", "?"]
    descriptors.close_all(first.descriptors)
    line.send(Kind.REPLY, second.number, encode("!"))
    it.turn()
    assert it.answers == [Answer("!")]


def test_one_to_whom_nothing_was_said_comes_without_a_line(it: Office) -> None:
    it.posts.mailboxes.expect(1, "worker 0")
    child = it.hire()
    before = descriptors.count_open()
    it.posts.mailboxes.meet(child)
    assert it.channels[child.id].receive() == []
    assert descriptors.count_open() == before
    it.posts.send(child.id, "later")
    assert told(it.line_of(child)) == ["later"]


def test_not_more_waits_for_one_that_is_to_come_than_for_any_other(it: Office) -> None:
    it.posts.mailboxes.expect(1, "worker 0")
    for _ in range(200):
        it.posts.send(1, bytes(100_000))
    it.posts.request(1, "?", 5, it.answers.append)
    it.turn()
    assert it.answers == [Answer(failure="it does not read")]


def test_one_that_never_comes_is_told_nothing_more_and_leaves_nothing_open(it: Office) -> None:
    it.posts.mailboxes.expect(1, "worker 0")
    it.posts.send(1, "x", [0])
    it.posts.request(1, "?", 5, it.answers.append)
    it.posts.drop(1)
    assert it.answers == [Answer(failure="it has gone")]
    assert not it.posts.send(1, "y")
    assert 1 not in it.posts.mailboxes


# -- the end -----------------------------------------------------------------


def test_what_a_worker_said_before_its_death_is_told_and_what_it_was_asked_fails(
    it: Office,
) -> None:
    child = it.hire()
    line = it.lay(child)
    it.posts.request(child.id, "?", 5, it.answers.append)
    for number in range(150):
        assert tell(line, [number], [0])
    line.close()
    it.bury(child)
    assert [said.value[0] for _, said in it.heard] == list(range(150))
    assert it.answers == [Answer(failure="it has gone")]
    for _, said in it.heard:
        descriptors.close_all(said.descriptors)


class CountingPost(Post):
    reads = 0

    def receive(self) -> list[Letter]:
        self.reads += 1
        return super().receive()


def test_a_line_that_somebody_else_holds_open_is_read_until_nothing_is_there(it: Office) -> None:
    child = it.hire()
    line = it.lay(child)
    counting = it.posts.mailboxes._posts[child.id]
    counting.__class__ = CountingPost
    tell(line, "last")  # and it stays open: whom the worker has forked has it too
    it.bury(child)
    assert it.values() == ["last"]
    assert isinstance(counting, CountingPost)
    assert counting.reads == 2


def test_descriptors_that_wait_for_a_worker_are_closed_with_it(it: Office) -> None:
    child = it.hire()
    for _ in range(50):
        it.posts.send(child.id, bytes(100_000), [0])
    it.bury(child)  # and the fixture counts


def test_a_dead_worker_is_told_nothing(it: Office) -> None:
    child = it.hire()
    it.posts.send(child.id, 1)
    it.bury(child)
    assert not it.posts.send(child.id, 2)
    it.posts.request(child.id, "?", 5, it.answers.append)
    assert it.answers == [], "told before the call returned"
    it.turn()
    assert it.answers == [Answer(failure="it has gone")]


def test_a_worker_that_closes_its_end_lives_on_and_is_told_nothing_more(it: Office) -> None:
    child = it.hire()
    line = it.lay(child)
    tell(line, "last")
    line.close()
    assert it.turns(3) == []
    assert it.values() == ["last"]
    assert not it.posts.send(child.id, "lost")
    it.posts.request(child.id, "?", 5, it.answers.append)
    it.turn()
    assert it.answers == [Answer(failure="it has gone")]


def test_who_is_buried_in_the_same_turn_is_not_read_any_more(it: Office) -> None:
    child = it.hire()
    line = it.lay(child)
    tell(line, "x")
    ready = it.selector.select(0)
    it.bury(child)
    for key, _ in ready:
        list(key.data(it.now))
    assert it.values() == ["x"]


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x01\x09\0\0\0\1\0\0\0\0\0"],
    ids=["no letter", "no kind"],
)
def test_garbage_costs_the_worker_that_sent_it_and_nobody_else(it: Office, garbage: bytes) -> None:
    child, other = it.hire(), it.hire()
    line, good = it.lay(child), it.lay(other)
    assert line._sock is not None
    tell(line, "before")
    it.turn()
    line._sock.send(garbage)
    tell(line, "after", [0])
    tell(good, "well")
    assert it.turns(3) == [Misbehaved(child.id)]
    assert it.values() == ["before", "well"]
    assert not it.posts.send(child.id, "more")
