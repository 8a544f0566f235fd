"""Workers ask for listeners: what is opened for them, what is refused, and who is given what."""

import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path

import pytest
from tests.primary.counter import Counter, counter_of
from tests.primary.desk import desk_of
from tests.support.policies import POLICIES
from tests.support.scarcity import used_up

from prefork.core.facts import Misbehaved
from prefork.primary.dispatch import LOOK_AGAIN
from prefork.primary.listeners import MOST
from prefork.primary.openings import MOST_OPENED, PATIENCE, TRY_AGAIN, Openings
from prefork.settings.address import UnixAddress
from prefork.wire.board import Field
from prefork.wire.messages import Listen, ListenFailed, Listening, Unlisten


@pytest.fixture
def counter() -> Iterator[Counter]:
    with counter_of("rr") as it:
        yield it


# What is opened


def test_the_answer_says_which_number_it_has_and_where_it_listens(counter: Counter) -> None:
    worker = counter.hire()
    answer = counter.ask(worker, Listen(7, "127.0.0.1"))
    assert answer == Listening(7, 0, socket.AF_INET, f"127.0.0.1:{counter.port(0)}", 0)
    counter.come(0, 3)
    assert counter.serve(worker) == 3


def test_who_asks_for_the_same_address_shares_its_listener(counter: Counter) -> None:
    first, second = counter.hire(), counter.hire()
    number = counter.listen(first)
    port = counter.port(number)
    shared = counter.listen(first, host="127.0.0.2", port=port)
    assert counter.listen(second, host="127.0.0.2", port=port) == shared
    counter.come(shared, 4)
    assert (counter.serve(first), counter.serve(second)) == (2, 2)


def test_two_that_ask_for_port_0_are_not_confused_and_each_is_shared_by_all(
    counter: Counter,
) -> None:
    first, second = counter.hire(), counter.hire()
    numbers = [counter.listen(first, index=0), counter.listen(first, index=1)]
    assert [counter.listen(second, index=each) for each in (0, 1)] == numbers
    assert len({counter.port(each) for each in numbers}) == 2
    for number in numbers:
        counter.come(number, 2)
        assert counter.serve_addresses(first) == counter.serve_addresses(second) == [number]


def test_the_port_that_port_0_has_become_may_be_asked_for_by_its_number(counter: Counter) -> None:
    first, second = counter.hire(), counter.hire()
    number = counter.listen(first)
    assert counter.listen(second, port=counter.port(number)) == number
    assert counter.refused(first, Listen(1, "127.0.0.1", counter.port(number))) == errno.EADDRINUSE


def test_one_that_is_not_ready_is_answered_and_given_nothing_before_it_is(
    counter: Counter,
) -> None:
    worker = counter.spawn()
    number = counter.listen(worker)
    counter.come(number, 2)
    assert counter.serve(worker) == 0
    counter.acceptor.join(worker, counter.now)
    counter.turn()
    assert counter.serve(worker) == 2


def test_a_name_of_this_machine_is_known_and_others_are_not_asked_for(counter: Counter) -> None:
    """To ask a server for a name may take seconds, in which nobody would be supervised."""
    worker = counter.hire()
    assert counter.refused(worker, Listen(1, "example.com", 0)) == errno.EADDRNOTAVAIL
    assert counter.refused(worker, Listen(2, "", 0)) == errno.EADDRNOTAVAIL
    number = counter.listen(worker, host="localhost")
    assert str(counter.listeners.bound[number]).startswith("127.0.0.1:")


@pytest.mark.parametrize("ipv6_only", [False, True])
def test_ipv6_only_means_that_both_ways(counter: Counter, *, ipv6_only: bool) -> None:
    worker = counter.hire()
    answer = counter.ask(worker, Listen(1, "::", ipv6_only=ipv6_only))
    assert isinstance(answer, Listening)
    assert answer.family == socket.AF_INET6
    port = counter.port(answer.address)
    with socket.create_connection(("::1", port)):
        pass
    if ipv6_only:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with closing(socket.create_server(("127.0.0.1", port))):
            pass
    else:
        socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize("policy", ["rr", "reuseport"])
def test_the_backlog_is_the_workers(policy: str) -> None:
    with counter_of(policy) as counter:
        worker = counter.spawn(slot=1)  # it never joins, so that all of them wait in the kernel
        answer = counter.ask(worker, Listen(1, "127.0.0.1", backlog=3))
        assert isinstance(answer, Listening)
        assert fill(counter.port(answer.address)) <= 2 * (3 + 1)  # of a listener, or of two
        other = counter.ask(worker, Listen(2, "127.0.0.1", index=1, backlog=20))
        assert isinstance(other, Listening)
        assert fill(counter.port(other.address)) >= 20


def fill(port: int) -> int:
    """Connect until the kernel takes no more; how many it took."""
    taken: list[socket.socket] = []
    try:
        while len(taken) < 40:
            taken.append(socket.create_connection(("127.0.0.1", port), timeout=0.3))
    except TimeoutError:
        pass
    for each in taken:
        each.close()
    return len(taken)


# Unix sockets


@pytest.mark.parametrize("policy", POLICIES)
def test_a_unix_socket_has_its_mode_and_its_file_goes_at_the_end(
    policy: str, tmp_path: Path
) -> None:
    path = tmp_path / "web.sock"
    with counter_of(policy) as counter:
        worker = counter.hire()
        answer = counter.ask(worker, Listen(1, path=str(path), mode=0o640))
        assert isinstance(answer, Listening)
        assert (answer.family, answer.bound) == (socket.AF_UNIX, f"unix:{path}")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not path.exists()


def test_a_unix_socket_is_served_in_turn(counter: Counter, tmp_path: Path) -> None:
    workers = [counter.hire() for _ in range(2)]
    numbers = {counter.listen_at(each, tmp_path / "web.sock") for each in workers}
    assert numbers == {0}
    counter.come(0, 4)
    assert [counter.serve(each) for each in workers] == [2, 2]


def test_a_path_may_be_longer_than_the_name_of_a_socket(
    counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    worker = counter.hire()
    number = counter.listen_at(worker, deep / "web.sock")
    assert counter.listeners.bound[number] == UnixAddress(str(deep / "web.sock"))
    monkeypatch.chdir(deep)
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.connect("web.sock")
        counter.turn()
        assert counter.serve(worker) == 1
    counter.acceptor.close(counter.now)
    assert not (deep / "web.sock").exists()


def test_a_name_that_is_too_long_is_refused_as_such(counter: Counter, tmp_path: Path) -> None:
    asked = Listen(1, path=str(tmp_path / ("x" * 120)))
    assert counter.refused(counter.hire(), asked) == errno.ENAMETOOLONG


# Who is told


def test_that_a_worker_listens_is_told_once_and_not_when_it_was_only_full(counter: Counter) -> None:
    told: list[tuple[int, str]] = []
    openings = Openings(
        counter.listeners, counter.acceptor, lambda *_: [], lambda *what: told.append(what)
    )
    worker = counter.hire()
    for message in (
        Listen(1, "127.0.0.1"),
        Unlisten(0),
        Listen(2, "127.0.0.1", is_again=True),
        Unlisten(0),
        Listen(3, "127.0.0.1"),
        Listen(4, "192.0.2.1"),
    ):
        assert list(openings.heed(worker, message, counter.now)) == []
    assert told == [(worker.id, str(counter.listeners.bound[0]))] * 2


# What is refused


@pytest.mark.parametrize("policy", POLICIES)
def test_of_two_clusters_on_one_port_the_second_is_refused_and_may_try_again(policy: str) -> None:
    with counter_of(policy) as first, counter_of(policy) as second:
        port = first.port(first.listen(first.hire()))
        worker = second.hire()
        asked = Listen(1, "127.0.0.1", port)
        assert second.refused(worker, asked) == errno.EADDRINUSE
        first.acceptor.close(first.now)
        assert isinstance(second.ask(worker, asked), Listening)


def test_one_worker_does_not_serve_an_address_twice(counter: Counter) -> None:
    worker = counter.hire()
    port = counter.port(counter.listen(worker))
    number = counter.listen(worker, host="127.0.0.2", port=port)
    asked = Listen(1, "127.0.0.2", port)
    assert counter.refused(worker, asked) == errno.EADDRINUSE
    counter.unlisten(worker, number)
    assert counter.listen(worker, host="127.0.0.2", port=port) == number


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        (Listen(1, "192.0.2.1"), errno.EADDRNOTAVAIL),
        (Listen(1, "127.0.0.1", 99_999), errno.EINVAL),
        (Listen(1, "127.0.0.1", -1), errno.EINVAL),
        (Listen(1, "127.0.0.1", backlog=-1), errno.EINVAL),
        (Listen(1, "127.0.0.1", backlog=2**40), errno.EINVAL),
        (Listen(1, "127.0.0.1\0"), errno.EINVAL),
        (Listen(1, "fe80::1%nowhere"), errno.EADDRNOTAVAIL),
        (Listen(1, path="/a\0b"), errno.EINVAL),
        (Listen(1, path="web.sock"), errno.EINVAL),
        (Listen(1, path="/nowhere/at/all/web.sock"), errno.ENOENT),
        (Listen(1, path="/tmp/web.sock", mode=0o4777), errno.EINVAL),
        (Listen(1, path="/etc/hostname"), errno.EADDRINUSE),
    ],
    ids=lambda value: repr(value) if isinstance(value, Listen) else errno.errorcode[value],
)
def test_what_cannot_be_is_told_by_its_number(counter: Counter, asked: Listen, number: int) -> None:
    assert counter.refused(counter.hire(), asked) == number
    assert list(counter.listeners) == []


def test_where_no_descriptor_is_free_nothing_is_opened_and_it_may_ask_again(
    counter: Counter,
) -> None:
    worker = counter.hire()
    with used_up():
        assert counter.refused(worker, Listen(1, "127.0.0.1")) == errno.EMFILE
    assert counter.listen(worker) == 0


@pytest.mark.parametrize("policy", ["shared", "reuseport"])
def test_an_address_that_was_opened_for_one_that_cannot_have_it_is_closed_again(
    policy: str,
) -> None:
    """Or clients would connect, and wait for nobody."""
    with counter_of(policy) as counter:
        worker = counter.hire()
        first = counter.listen(worker, index=0)
        with socket.create_server(("127.0.0.1", 0)) as passing:
            port = passing.getsockname()[1]
        asked = Listen(1, "127.0.0.1", port)
        with used_up(but=1):  # for the listener, and not for what the worker is to be given
            assert counter.refused(worker, asked) == errno.EMFILE
        assert counter.listeners.numbers == {first}
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        answer = counter.ask(worker, asked)
        assert isinstance(answer, Listening)
        assert answer.address == first + 1, "a number was lost"


def test_what_others_have_closed_for_a_while_is_not_closed_with_it(counter: Counter) -> None:
    worker, unfit = counter.hire(), counter.hire()
    number = counter.listen(worker)
    counter.unlisten(worker, number)
    openings = Openings(counter.listeners, counter.acceptor, lambda *_: [Misbehaved(unfit.id)])
    openings.heed(unfit, Listen(1, "127.0.0.1", index=1), counter.now)
    openings.heed(unfit, Listen(1, "127.0.0.1"), counter.now)
    assert counter.listeners.numbers == {number}
    counter.come(number, 2)
    assert counter.listen(worker) == number
    counter.turn()
    assert counter.serve(worker) == 2


@pytest.mark.parametrize("policy", ["shared", "reuseport"])
def test_where_its_own_socket_cannot_be_given_the_worker_does_not_serve_there(policy: str) -> None:
    with counter_of(policy) as counter:
        worker = counter.hire()
        number = counter.listen(worker)
        other = counter.hire()
        with used_up():
            assert counter.refused(other, Listen(1, "127.0.0.1")) == errno.EMFILE
        assert not counter.acceptor.serves(other, number)
        assert counter.listen(other) == number


def test_there_are_as_many_addresses_as_a_byte_can_tell(
    counter: Counter, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    workers = [counter.hire() for _ in range(MOST // MOST_OPENED)]
    for number in range(MOST):
        worker = workers[number // MOST_OPENED]
        assert counter.listen_at(worker, tmp_path / str(number)) == number
    worker = counter.hire()
    counter.unlisten(workers[0], 0)
    counter.acceptor.release(counter.now)
    asked = Listen(1, path=str(tmp_path / "more"))
    assert counter.refused(worker, asked) == errno.EMFILE, "a number is used once"
    assert "256 addresses are the most" in capfd.readouterr().err


def test_one_worker_cannot_use_up_the_addresses_of_all(counter: Counter, tmp_path: Path) -> None:
    greedy, other = counter.hire(), counter.hire()
    for number in range(MOST_OPENED):
        counter.listen_at(greedy, tmp_path / str(number))
        counter.unlisten(greedy, number)
    asked = Listen(1, path=str(tmp_path / "more"))
    answer = counter.ask(greedy, asked)
    assert answer == ListenFailed(1, errno.EMFILE, "a worker may have 64 addresses opened")
    counter.listen_at(greedy, tmp_path / "7")  # it is open
    shared = counter.listen_at(other, tmp_path / "more")
    assert counter.listen_at(greedy, tmp_path / "more") == shared
    counter.openings.bury(greedy)  # as if it were another
    counter.listen_at(greedy, tmp_path / "as another")


def test_a_directory_that_another_process_has_locked_keeps_nobody_waiting_but_who_asks(
    counter: Counter, tmp_path: Path
) -> None:
    worker, other = counter.hire(), counter.hire()
    took = []
    with locked(tmp_path):
        for ticket in (7, 8, 9):
            asked = Listen(ticket, path=str(tmp_path / str(ticket)))
            began = time.monotonic()
            assert list(counter.openings.heed(worker, asked, counter.now)) == []
            took.append(time.monotonic() - began)
        assert min(took) < PATIENCE / 2  # the rest is what others take of the cores
        assert counter.answers == []
        counter.listen(other)
        counter.pass_time(PATIENCE / 2)
        assert len(counter.answers) == 1
    counter.pass_time(TRY_AGAIN)
    told = counter.answers[1:]
    assert [each.ticket for each in told if isinstance(each, Listening)] == [7, 8, 9]
    assert counter.openings.next_check() is None


def test_one_that_stays_locked_is_an_error_after_a_second_and_who_dies_is_forgotten(
    counter: Counter, tmp_path: Path
) -> None:
    worker, dying = counter.hire(), counter.hire()
    asked = Listen(7, path=str(tmp_path / "web.sock"))
    with locked(tmp_path):
        for each in (worker, dying):
            counter.openings.heed(each, asked, counter.now)
        counter.openings.bury(dying)
        counter.pass_time(PATIENCE + TRY_AGAIN)
    [answer] = counter.answers
    assert isinstance(answer, ListenFailed)
    assert (answer.ticket, answer.errno) == (7, errno.EBUSY)
    assert "is locked by another process" in answer.reason
    assert counter.openings.next_check() is None


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def test_a_worker_that_closes_what_it_does_not_have_misbehaves(counter: Counter) -> None:
    first, second = counter.hire(), counter.hire()
    number = counter.listen(first)
    assert counter.openings.heed(second, Unlisten(number), 0.0) == [Misbehaved(second.id)]
    assert counter.openings.heed(first, Unlisten(99), 0.0) == [Misbehaved(first.id)]


def test_nothing_is_opened_any_more_when_all_is_closed(counter: Counter) -> None:
    worker = counter.hire()
    counter.acceptor.close(counter.now)
    assert counter.refused(worker, Listen(1, "127.0.0.1")) == errno.ECANCELED
    assert list(counter.listeners) == []


def test_who_cannot_be_answered_serves_nothing(counter: Counter) -> None:
    worker = counter.hire()
    openings = Openings(counter.listeners, counter.acceptor, lambda *_: [Misbehaved(worker.id)])
    assert openings.heed(worker, Listen(1, "127.0.0.1"), 0.0) == [Misbehaved(worker.id)]
    assert not counter.acceptor.serves(worker, 0)


def test_a_retry_in_an_endless_loop_is_told_once_a_minute(
    counter: Counter, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = counter.hire()
    for ticket in range(100):
        counter.refused(worker, Listen(ticket, "192.0.2.1"))
    assert capfd.readouterr().err.count("listen_refused") == 1


# Who is given what comes


@pytest.mark.parametrize("policy", ["rr", "least", "hash"])
def test_what_comes_is_for_those_alone_who_serve_there(policy: str) -> None:
    with counter_of(policy) as counter:
        one, both, other = (counter.hire() for _ in range(3))
        numbers = [counter.listen(each, index=0) for each in (one, both)][:1]
        numbers += [counter.listen(each, index=1) for each in (both, other)][:1]
        for number in numbers:
            counter.come(number, 10)
        served = [counter.serve_addresses(each) for each in (one, both, other)]
        assert set(served[0]) <= {0}
        assert set(served[2]) <= {1}
        assert sorted(chain.from_iterable(served)) == [0] * 10 + [1] * 10


def test_limits_0_1_9_over_10_connections_land_0_1_9(counter: Counter) -> None:
    workers = [counter.hire(capacity=limit) for limit in (0, 1, 9)]
    (number,) = {counter.listen(each) for each in workers}
    counter.come(number, 10)
    assert [counter.serve(each) for each in workers] == [0, 1, 9]


def test_what_waits_for_one_address_keeps_nobody_from_another(counter: Counter) -> None:
    full, free = counter.hire(capacity=0), counter.hire()
    crowded, open_ = counter.listen(full, index=0), counter.listen(free, index=1)
    counter.come(crowded, 2)
    counter.come(crowded, 2)
    counter.come(open_, 3)
    counter.come(open_, 3)
    assert counter.serve(free) == 6
    counter.board.line(full.line)[Field.CAPACITY] = 10
    counter.now += LOOK_AGAIN
    counter.turn()
    counter.turn()
    assert counter.serve(full) == 4


def test_what_nobody_serves_any_more_waits_for_the_next_to_ask(counter: Counter) -> None:
    worker, other = counter.hire(), counter.hire()
    number = counter.listen(worker, index=0)
    counter.listen(other, index=1)
    counter.unlisten(worker, number)
    counter.come(number, 3)
    assert counter.acceptor.next_check() is None, "nobody looks again and again"
    assert counter.board.line(0)[Field.WAITING] == 0, "nor is anybody asked to say that it has room"
    assert counter.listen(other, index=0) == number
    counter.turn()
    assert counter.serve(other) == 3


def test_a_server_may_close_and_listen_again_while_another_serves(counter: Counter) -> None:
    worker, other = counter.hire(), counter.hire()
    number = counter.listen(worker)
    counter.listen(other)
    for _ in range(3):
        counter.unlisten(worker, number)
        counter.come(number, 2)
        assert (counter.serve(worker), counter.serve(other)) == (0, 2)
        assert counter.listen(worker) == number
        counter.come(number, 2)
        assert (counter.serve(worker), counter.serve(other)) == (1, 1)


def test_a_connection_that_comes_while_the_server_closes_is_handed_back_to_another(
    counter: Counter,
) -> None:
    closing_, other = counter.hire(), counter.hire()
    number = counter.listen(closing_)
    counter.listen(other)
    counter.come(number, 10)
    counter.unlisten(closing_, number)
    assert counter.hand_back(closing_) == 5
    counter.turn()
    assert counter.serve(other) == 10
    assert counter.answered() == 10


def test_handed_back_where_nobody_else_serves_it_waits_for_who_listens_again(
    counter: Counter,
) -> None:
    worker, other = counter.hire(), counter.hire()
    number = counter.listen(worker, index=0)
    elsewhere = counter.listen(other, index=1)
    counter.come(number, 4)
    counter.unlisten(worker, number)
    assert counter.hand_back(worker) == 4
    counter.turn()
    counter.come(elsewhere, 2)
    assert counter.serve_addresses(other) == [elsewhere] * 2
    assert counter.serve(worker) == 0
    counter.listen(worker, index=0)
    assert counter.serve(worker) == 4
    assert counter.answered() == 6


def test_what_a_dead_worker_had_not_taken_is_for_others_of_its_address(counter: Counter) -> None:
    victim, same, other = (counter.hire() for _ in range(3))
    numbers = [counter.listen(victim, index=each) for each in (0, 1)]
    counter.listen(same, index=0)
    counter.listen(other, index=1)
    for number in numbers:
        counter.come(number, 6)
    counter.acceptor.bury(victim, counter.now)
    assert counter.serve_addresses(same) == [numbers[0]] * 6
    assert counter.serve_addresses(other) == [numbers[1]] * 6


def test_a_worker_that_was_suspended_serves_what_it_asked_for_meanwhile_too(
    counter: Counter,
) -> None:
    worker = counter.hire()
    before, meanwhile, closed = counter.listen(worker), 1, 2
    assert counter.listen(worker, index=2) == meanwhile
    counter.acceptor.suspend(worker, counter.now)
    counter.unlisten(worker, meanwhile)
    assert counter.listen(worker, index=3) == closed
    for number in (before, meanwhile, closed):
        counter.come(number)
    assert counter.serve(worker) == 0
    counter.acceptor.join(worker, counter.now)
    counter.turn()
    assert sorted(counter.serve_addresses(worker)) == [before, closed]


def test_a_worker_that_leaves_leaves_all_its_addresses(counter: Counter) -> None:
    going, staying = counter.hire(), counter.hire()
    numbers = [counter.listen(each, index=i) for i in (0, 1) for each in (going, staying)]
    counter.acceptor.leave(going, counter.now, hands_back=True)
    for number in set(numbers):
        counter.come(number, 2)
    assert (counter.serve(going), counter.serve(staying)) == (0, 4)
    counter.listen(going, index=2)
    counter.come(2)
    assert counter.serve(going) == 0, "it has left, and is only answered"


@pytest.mark.parametrize("address", [1, 200])
def test_who_hands_back_of_an_address_that_it_never_served_misbehaves(
    counter: Counter, address: int
) -> None:
    worker, other = counter.hire(), counter.hire()
    number = counter.listen(worker)
    assert counter.listen(other, index=1) == 1
    counter.come(number)
    counter.acceptor.leave(worker, counter.now, hands_back=True)
    assert counter.hand_back(worker, address=address) == 1
    assert counter.facts() == [Misbehaved(worker.id)]


# Where workers accept themselves


@pytest.mark.parametrize("policy", ["shared", "reuseport"])
def test_who_accepts_itself_is_given_the_socket(policy: str) -> None:
    with counter_of(policy) as counter:
        worker = counter.hire(slot=3)
        answer = counter.ask(worker, Listen(1, "127.0.0.1"))
        assert isinstance(answer, Listening)
        assert answer.own == len(counter.owned) == 1
        own = counter.owned[0]
        for _ in range(20):
            counter.come(answer.address)
        taken = counter.serve(worker)
        own.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                own.accept()[0].close()
                taken += 1
        assert taken == 20


def test_under_reuseport_who_closes_leaves_its_queue_to_others_of_the_address() -> None:
    with counter_of("reuseport") as counter:
        one, other, third = (counter.hire() for _ in range(3))
        number = counter.listen(one)
        counter.listen(other)
        counter.listen(third, index=1)
        for origin in range(40):
            counter.clients.append(
                socket.create_connection(
                    ("127.0.0.1", counter.port(number)), source_address=(f"127.0.2.{origin}", 0)
                )
            )
        counter.unlisten(one, number)
        counter.turn()
        counter.turn()
        given = counter.serve(other)
        assert given
        assert given + counter.accept_own(other) == 40
        assert counter.serve(third) == 0


# Until the script ends it


def test_only_what_nobody_serves_is_released(counter: Counter) -> None:
    worker, young = counter.hire(), counter.spawn()
    kept, wanted, unwanted = (
        counter.listen(worker, index=0),
        counter.listen(young, index=1),
        counter.listen(worker, index=2),
    )
    counter.unlisten(worker, unwanted)
    ports = {each: counter.port(each) for each in (kept, wanted, unwanted)}
    counter.come(unwanted, 2)
    counter.acceptor.release(counter.now)
    for number in (kept, wanted):
        socket.create_connection(("127.0.0.1", ports[number])).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports[unwanted]))
    assert_turned_away(counter.clients)
    assert counter.listen(worker, index=2) == unwanted + 1, "a number is used once"


def test_what_was_there_at_the_start_is_for_all_and_is_not_released() -> None:
    with desk_of("rr") as desk:
        desk.acceptor.release(desk.now)
        desk.connect(2)
        assert desk.serve(desk.hire()) == 0
        desk.turn()
        assert desk.serve(desk.children[0]) == 2


def test_what_is_still_on_its_way_when_its_address_is_released_is_answered_503(
    counter: Counter,
) -> None:
    worker, other = counter.hire(), counter.hire()
    number = counter.listen(worker, index=0)
    counter.listen(other, index=1)
    counter.come(number, 3)
    counter.unlisten(worker, number)
    counter.acceptor.release(counter.now)
    assert counter.hand_back(worker) == 3
    counter.turn()
    assert_turned_away(counter.clients)


@pytest.mark.parametrize("policy", POLICIES)
def test_after_a_release_the_same_port_is_to_be_had_again(policy: str) -> None:
    with counter_of(policy) as counter, counter_of(policy) as stranger:
        worker = counter.hire(slot=1)
        number = counter.listen(worker)
        port = counter.port(number)
        counter.acceptor.bury(worker, counter.now)
        counter.acceptor.release(counter.now)
        assert not counter.selector.get_map()
        assert stranger.port(stranger.listen(stranger.hire(), port=port)) == port
        assert counter.refused(counter.hire(slot=1), Listen(1, "127.0.0.1", port)) == (
            errno.EADDRINUSE
        )


def test_at_the_stop_what_came_for_nobody_is_answered_503(counter: Counter) -> None:
    worker, other = counter.hire(), counter.hire()
    number, served = counter.listen(worker, index=0), counter.listen(other, index=1)
    counter.unlisten(worker, number)
    counter.come(number, 2)
    counter.clients, lost = [], counter.clients
    counter.come(served, 2)
    counter.acceptor.close(counter.now)
    assert_turned_away(lost)
    assert counter.serve(other) == 2


def assert_turned_away(clients: list[socket.socket]) -> None:
    for each in clients:
        with each:
            each.settimeout(5)
            assert each.recv(100).startswith(b"HTTP/1.1 503 ")
