"""Who is beside the fleet, and what follows when one ends."""

import os
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.support.printing import close, restored

from prefork.errors import AppError, ExitCode
from prefork.primary.aides import MOST_SHORT_LIVES, SHORT_LIFE, Aide, Aides, Sequel
from prefork.primary.signals import Signals
from prefork.settings.schema import Settings
from prefork.wire.board import Board
from prefork.wire.descriptors import close_all
from prefork.wire.estate import AideBirth, Entries, Estate, inherited
from prefork.wire.outlet import Desk, Origin, divert, identity

ENTRIES = Entries("template", "worker", "watcher", "capture", "errand")


@dataclass
class Forks:
    """Gives out pids from 101 on, until it refuses."""

    births: list[tuple[str, AideBirth]] = field(default_factory=list)
    refuses: bool = False

    def __call__(self, entry: str, birth: AideBirth) -> int:
        if self.refuses:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        self.births.append((entry, birth))
        return 100 + len(self.births)


@pytest.fixture
def desk() -> Iterator[Desk]:
    it = Desk.open()
    yield it
    close(it)


def aides(forks: Forks, desk: Desk | None = None, **settings: Any) -> Aides:
    chosen: dict[str, Any] = {"app": "a:b"} | settings
    estate = Estate(Settings(**chosen), 1, (), Board(1), os.getpid(), ENTRIES, output=desk)
    return Aides(estate, forks)


def names(it: Aides) -> list[str]:
    return [name for name, _, _ in it.lives()]


# -- deciding ----------------------------------------------------------------


def test_one_that_is_to_stay_is_replaced_until_it_has_died_soon_too_often() -> None:
    first = Aide("watcher", stays=True, since=0.0)
    assert first.sequel(-9, now=1.0) is Sequel.REPLACE
    assert first.short_lives_until(1.0) == 1
    last = Aide("watcher", stays=True, since=0.0, short_lives=MOST_SHORT_LIVES - 1)
    assert last.sequel(1, now=SHORT_LIFE - 0.1) is Sequel.GIVE_UP
    assert last.sequel(1, now=SHORT_LIFE) is Sequel.REPLACE
    assert last.short_lives_until(SHORT_LIFE) == 0


@pytest.mark.parametrize(
    ("status", "sequel"),
    [
        (ExitCode.OK, Sequel.NOTHING),
        (ExitCode.APP_START, Sequel.NOTHING),  # it has said why
        (9, Sequel.REPORT),
        (-signal.SIGALRM, Sequel.REPORT),
    ],
)
def test_a_hook_that_could_not_say_why_it_failed_is_reported(status: int, sequel: Sequel) -> None:
    assert Aide("when_ready", stays=False, since=0.0).sequel(status, now=1.0) is sequel


# -- acting ------------------------------------------------------------------


def test_only_what_was_asked_for_is_started(desk: Desk) -> None:
    forks = Forks()
    aides(forks).start(0.0)
    assert forks.births == []
    it = aides(forks, desk, reload=True)
    it.start(0.0)
    assert names(it) == ["capture", "watcher"]
    assert [(entry, birth.pipes) for entry, birth in forks.births] == [
        ("capture", {}),
        ("watcher", None),
    ]


def test_the_dead_are_replaced_and_strangers_are_not_ours(desk: Desk) -> None:
    forks = Forks()
    it = aides(forks, desk)
    it.start(0.0)
    assert not it.note_exit(4711, 0, 1.0)
    assert it.note_exit(101, -9, 1.0)
    assert it.lives() == [("capture", 102, 1.0)]


def test_who_takes_the_place_of_the_capture_is_born_with_what_that_read(desk: Desk) -> None:
    forks = Forks()
    it = aides(forks, desk)
    it.start(0.0)
    reading, writing = os.pipe()
    desk.hand_in(Origin("w0", 1), reading)
    it.note_exit(101, -9, 1.0)
    _, birth = forks.births[-1]
    assert birth.pipes is not None
    [(pipe, origin)] = birth.pipes.items()
    assert (origin, identity(pipe)) == (Origin("w0", 1), identity(reading))
    assert {pipe, desk.tagging.receiving.fileno()} < set(inherited(birth))
    close_all([reading, writing, pipe])


def test_a_hook_runs_once_and_only_where_it_is_set() -> None:
    forks = Forks()
    it = aides(forks, when_ready="a:f")
    it.run("on_starting", 0.0)
    it.run("when_ready", 0.0)
    assert [(entry, birth.moment) for entry, birth in forks.births] == [("errand", "when_ready")]
    assert it.note_exit(101, 0, 1.0)
    assert it.lives() == []


@pytest.mark.parametrize("is_refused", [False, True])
def test_where_nobody_takes_output_any_more_whoever_prints_has_what_it_had_before(
    desk: Desk, is_refused: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    forks = Forks()
    it = aides(forks, desk)
    it.start(0.0)
    forks.refuses = is_refused
    for number in range(MOST_SHORT_LIVES):
        it.note_exit(101 + number, 1, 0.1 * number)
    while (when := it.next_check()) is not None:
        assert when < 60
        it.check(when)
    assert it.lives() == []
    assert "aide_failed aide=capture" in capfd.readouterr().err
    with restored():
        divert(desk, "w0")
        assert os.path.samestat(os.fstat(1), os.fstat(desk.stdout))


def test_a_first_hook_without_a_process_fails_the_start() -> None:
    with pytest.raises(AppError, match="the hook on_starting failed, so nothing is started") as it:
        aides(Forks(refuses=True), on_starting="a:f").run_first("on_starting", None)  # type: ignore[arg-type]
    assert it.value.exit_code is ExitCode.APP_START


def test_a_later_hook_without_a_process_is_told_and_harms_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    it = aides(Forks(refuses=True), when_ready="a:f")
    it.run("when_ready", 0.0)
    assert it.lives() == []
    assert "hook_failed hook=when_ready" in capfd.readouterr().err


def test_without_a_first_hook_nobody_waits() -> None:
    signals = Signals.__new__(Signals)  # nothing of it is touched
    assert aides(Forks()).run_first("on_starting", signals)
    assert select.select([], [], [], 0) == ([], [], [])


def test_what_the_system_has_no_process_for_is_tried_again_and_told_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    forks = Forks(refuses=True)
    it = aides(forks, reload=True)
    it.start(0.0)
    when = 0.0
    for _ in range(20):
        due = it.next_check()
        assert due is not None
        assert due > when
        when = due
        it.check(when - 0.1)
        assert names(it) == []
        it.check(when)
    forks.refuses = False
    it.check(when + 1)
    assert (names(it), it.next_check()) == (["watcher"], None)
    assert capfd.readouterr().err.count("aide_not_started") == 1
