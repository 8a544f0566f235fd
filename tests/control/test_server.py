"""Clients of every kind, and what they must not cost."""

import os
import resource
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.control.rig import Rig
from tests.core.fleets import serving
from tests.support.scarcity import NONE, squeezed, used_up

from prefork.control.protocol import MAX_LINE
from prefork.control.server import MAX_CLIENTS
from prefork.core.facts import Exited, Failed, Stage
from prefork.core.orders import CloseListeners, StartTemplate

# -- answers -----------------------------------------------------------------


def test_requests_on_one_connection_are_answered_in_turn(rig: Rig) -> None:
    caller = rig.caller()
    caller.say("stats")
    caller.say("stopp")
    caller.say("stats")
    rig.settle()
    assert caller.hear() == [{"now": 7.0}, {"error": "no such verb: stopp"}, {"now": 7.0}]
    assert not caller.is_cut


def test_a_request_may_come_in_pieces(rig: Rig) -> None:
    caller = rig.caller()
    for byte in b'{"prefork": 1, "verb": "stats"}':
        caller.whisper(bytes([byte]))
        rig.settle()
    assert caller.hear() == []
    caller.whisper(b"\n")
    rig.settle()
    assert caller.hear() == [{"now": 7.0}]


def test_a_line_without_an_end_ends_the_connection(rig: Rig) -> None:
    caller = rig.caller()
    caller.whisper(b"x" * (MAX_LINE + 1))
    rig.settle()
    assert caller.hear() == []
    assert caller.is_cut


def test_a_client_that_leaves_is_forgotten(rig: Rig) -> None:
    watched = len(rig.selector.get_map())
    caller = rig.caller()
    caller.say("stats")
    rig.settle()
    assert len(rig.selector.get_map()) == watched + 1
    caller.socket.close()
    rig.settle()
    assert len(rig.selector.get_map()) == watched


# -- the end -----------------------------------------------------------------


def test_a_stop_is_obeyed_and_who_waits_for_it_is_told_its_end(rig: Rig) -> None:
    bystander, waiting = rig.caller(), rig.caller()
    waiting.say("stop", wait=True)
    bystander.say("stop")
    rig.settle()
    assert rig.orders[0] == CloseListeners()
    assert waiting.hear() == bystander.hear() == [{"state": "stopping"}]
    rig.end(6)
    assert waiting.hear() == [{"state": "stopped", "exit_code": 6}]
    assert bystander.hear() == []
    assert waiting.is_cut
    assert bystander.is_cut


def test_at_the_end_nothing_is_left_of_the_server(path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    with closing(Rig(path, serving(1))) as rig:
        rig.caller().say("stop", wait=True)
        rig.settle()
    assert not path.exists()
    assert len(os.listdir("/dev/fd")) == before


# -- clients that don't read -------------------------------------------------


@pytest.fixture
def wordy(path: Path) -> Iterator[Rig]:
    """One whose statistics no kernel takes at once."""
    with closing(Rig(path, serving(1), report={"page": "x" * 1_000_000})) as rig:
        yield rig


def test_a_client_that_does_not_read_blocks_nobody_and_is_asked_no_more(wordy: Rig) -> None:
    lazy = wordy.caller()
    lazy.say("stats")
    wordy.settle()
    for _ in range(100):
        lazy.say("stats")
        assert wordy.turn() == 0  # its requests lie where they are
    assert wordy.ask("nonsense") == [{"error": "no such verb: nonsense"}]
    assert lazy.hear() == []  # the answer has not even come whole
    wordy.settle()
    assert wordy.reports == 1
    assert len(wordy.drain(lazy)) == 101


def test_news_of_a_reload_waits_for_a_slow_reader(rig: Rig) -> None:
    caller = rig.caller()
    caller.say("reload", wait=True)
    rig.settle()
    [template] = [order.id for order in rig.orders if isinstance(order, StartTemplate)]
    rig.tell(Failed(template, Stage.IMPORT, "E", "x" * 1_000_000), Exited(template, 3))
    assert rig.drain(caller)[-1]["detail"] == "x" * 1_000_000


def test_a_client_that_leaves_without_reading_is_forgotten(wordy: Rig) -> None:
    watched = len(wordy.selector.get_map())
    lazy = wordy.caller()
    lazy.say("stats")
    wordy.settle()
    assert len(wordy.selector.get_map()) == watched + 1
    lazy.socket.close()
    wordy.settle()
    assert len(wordy.selector.get_map()) == watched


def test_who_left_costs_the_others_no_news_of_a_reload(rig: Rig) -> None:
    rig.ask("reload")
    gone, keen = rig.caller(), rig.caller()
    for caller in (gone, keen):
        caller.say("reload", wait=True)
    rig.settle()
    gone.socket.close()
    for now in range(6):
        rig.live(now)
    assert [each["state"] for each in keen.hear()[:2]] == ["queued", "running"]
    rig.settle()


# -- too many ----------------------------------------------------------------


def test_one_client_too_many_ends_the_oldest(rig: Rig) -> None:
    callers = []
    for _ in range(MAX_CLIENTS + 1):
        callers.append(rig.caller())
        rig.settle()
    assert [caller.hear() for caller in callers[:2]] == [[], []]
    assert callers[0].is_cut
    assert not callers[1].is_cut
    callers[-1].say("stats")
    rig.settle()
    assert callers[-1].hear() == [{"now": 7.0}]


def test_it_answers_where_every_descriptor_is_used_up(rig: Rig) -> None:
    callers = [rig.caller() for _ in range(3)]
    for caller in callers:
        caller.say("stats")
    with used_up():
        rig.settle()  # for ever, if it left a client where it can't be accepted
        assert callers[-1].hear() == [{"now": 7.0}]


def test_who_got_the_spare_descriptor_gives_it_back(rig: Rig) -> None:
    for _ in range(3):
        caller = rig.caller()
        caller.say("stats")
        with used_up():
            rig.settle()
            assert caller.hear() == [{"now": 7.0}]
            caller.socket.close()
            rig.settle()


def test_where_not_even_the_spare_helps_it_rests_and_looks_again(
    rig: Rig, capfd: pytest.CaptureFixture[str]
) -> None:
    assert rig.server.next_check() is None
    caller = rig.caller()
    with squeezed(os.getpid(), resource.RLIMIT_NOFILE, NONE):
        caller.say("stats")
        rig.settle()
        assert len(rig.selector.get_map()) == 0  # nothing wakes it
        when = rig.server.next_check()
        assert when is not None
        rig.server.check(when)  # and is as before
        rig.settle()
        assert caller.hear() == []
    rig.server.check(when + 1)
    rig.settle()
    assert caller.hear() == [{"now": 7.0}]
    assert rig.server.next_check() is None
    assert capfd.readouterr().err.count("control_not_accepted") == 1
