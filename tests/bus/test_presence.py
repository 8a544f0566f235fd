"""Who is known to be present, for how long, and of how many at most."""

import pytest

from prefork.bus import presence
from prefork.bus.presence import LONGEST_SILENCE, MOST_NAMES, Roster, Word
from prefork.errors import RemoteError


def test_who_was_heard_of_is_known_with_its_age_until_it_was_silent_for_too_long() -> None:
    roster = Roster()
    roster.hear({"one": 0.0, "two": 4.0}, 100.0)
    assert roster.known(101.0) == {"one": 1.0, "two": 5.0}
    assert set(roster.known(100.0 + LONGEST_SILENCE - 1)) == {"one"}
    assert roster.known(101.0 + LONGEST_SILENCE) == {}


def test_older_hearsay_changes_nothing_and_nobody_comes_from_the_future() -> None:
    roster = Roster()
    roster.hear({"one": 0.0}, 100.0)
    roster.hear({"one": 9.0, "two": -50.0}, 101.0)
    assert roster.known(101.0) == {"one": 1.0, "two": 0.0}


def test_who_has_gone_is_forgotten() -> None:
    roster = Roster()
    roster.hear({"one": 0.0, "two": 0.0}, 100.0)
    roster.forget(["one", "three"])
    assert set(roster.known(100.0)) == {"two"}


def test_only_so_many_names_are_kept() -> None:
    roster = Roster()
    roster.hear({str(number): 0.0 for number in range(MOST_NAMES + 10)}, 100.0)
    roster.hear({"0": 0.0}, 105.0)
    known = roster.known(105.0)
    assert (len(known), known["0"]) == (MOST_NAMES, 0.0)


def test_a_notice_arrives_as_it_was_sent_and_garbage_is_a_remote_error() -> None:
    notice = presence.decode(presence.encode(Word.HERE, {"one": 1.5}))
    assert (notice.word, notice.names) == (Word.HERE, {"one": 1.5})
    for garbage in (b"", b"\xc1", b"\x92\xa4nope\x80"):
        with pytest.raises(RemoteError, match="not a notice"):
            presence.decode(garbage)
