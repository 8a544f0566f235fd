"""What is printed while nobody tags it: it waits, or comes out where it would have gone without."""

import os
import select
import signal
import socket
import time
from collections.abc import Iterator

import pytest
from tests.support.printing import (
    Printed,
    bury,
    close,
    fill,
    no_descriptor_left,
    printed,
    restored,
)

from prefork.primary.nursery import fork
from prefork.primary.pipes import PAUSE, PORTION, Pipes, Spout
from prefork.settings.schema import Settings
from prefork.sink import ROOM, Sink
from prefork.wire.board import Board
from prefork.wire.descriptors import close_all, count_open
from prefork.wire.estate import AideBirth, Entries, Estate
from prefork.wire.outlet import NOBODY, Desk, Origin

CAPTURE = "prefork.aides.capture:main"
ENTRIES = Entries("template", "worker", "watcher", CAPTURE, "errand")


@pytest.fixture
def paper() -> Iterator[Printed]:
    with printed() as it:
        yield it


@pytest.fixture
def pipes(paper: Printed) -> Iterator[Pipes]:
    it = Pipes(paper.desk)
    yield it
    it.close()


def start(paper: Printed, pipes: Pipes) -> int:
    """Fork a process that tags, as the primary does."""
    estate = Estate(Settings(app="a:b"), 1, (), Board(1), os.getpid(), ENTRIES, output=paper.desk)
    with restored():
        os.dup2(paper.desk.stdout, 1)
        return fork(CAPTURE, AideBirth(estate, pipes=pipes.gather()))


def finish(paper: Printed, pid: int) -> None:
    """Have it write all, and end."""
    paper.desk.tagging.put(NOBODY)
    assert bury(pid) == 0


# -- while there is no process that tags ---------------------------------------


def test_what_is_printed_when_who_tags_dies_is_its_successors(paper: Printed, pipes: Pipes) -> None:
    first = start(paper, pipes)
    writing = paper.pipe()
    os.write(writing, b"one\n")
    assert paper.line() == b"[w0] one\n"
    bury(first, signal.SIGKILL)
    os.write(writing, b"two\n")  # nobody reads it, and nobody has noticed that yet
    second = start(paper, pipes)
    os.write(writing, b"three\n")
    os.close(writing)
    finish(paper, second)
    assert paper.all() == b"[w0] two\n[w0] three\n"


def test_a_pipe_that_the_dead_never_took_is_read_once(paper: Printed, pipes: Pipes) -> None:
    bury(start(paper, pipes), signal.SIGKILL)
    early, late = paper.pipe("w1"), paper.pipe("w2")
    os.write(early, b"early\nwithout end")
    os.close(early)
    second = start(paper, pipes)
    os.write(late, b"late\n")
    finish(paper, second)
    os.close(late)
    assert sorted(paper.all().splitlines()) == [b"[w1] early", b"[w1] without end", b"[w2] late"]


def test_one_after_the_other_may_die_and_every_line_comes_once(
    paper: Printed, pipes: Pipes
) -> None:
    writing, said = paper.pipe(), []
    for number in range(10):
        os.write(writing, b"%d\n" % number)
        reader = start(paper, pipes)
        os.write(writing, b"and %d\n" % number)
        said += [paper.line(), paper.line()]
        bury(reader, signal.SIGKILL)
    os.close(writing)
    assert said == [line % n for n in range(10) for line in (b"[w0] %d\n", b"[w0] and %d\n")]


def test_who_waits_for_room_in_a_full_pipe_goes_on_with_the_successor(
    paper: Printed, pipes: Pipes
) -> None:
    bury(start(paper, pipes), signal.SIGKILL)
    writing = paper.pipe()
    full = fill(writing)
    writer = os.fork()
    if writer == 0:
        os._exit(os.write(writing, b"at last\n") != 8)
    os.close(writing)
    second = start(paper, pipes)
    lines = [paper.line() for _ in range(full // 100)]
    assert set(lines) == {b"[w0] " + b"x" * 99 + b"\n"}
    assert paper.line() == b"[w0] at last\n"
    assert bury(writer) == 0
    finish(paper, second)
    assert paper.all() == b""


# -- what is kept, and for how long --------------------------------------------


def test_what_is_done_with_is_let_go(paper: Printed, pipes: Pipes) -> None:
    before = count_open()
    for _ in range(3):
        os.close(paper.pipe())
        pipes.look(0.0)
        taken = paper.desk.tagging.take()
        assert taken is not None
        assert taken[1] is not None
        os.close(taken[1])
    assert pipes.gather() == {}
    assert count_open() == before


def test_last_words_that_nobody_has_read_are_kept(paper: Printed, pipes: Pipes) -> None:
    writing = paper.pipe()
    os.write(writing, b"last words")
    os.close(writing)
    pipes.gather()
    (pipe,) = pipes.gather()
    assert os.read(pipe, 100) == b"last words"
    assert pipes.gather() == {}


# -- what a child sends is not trusted ------------------------------------------


def garbage(paper: Printed) -> None:
    """Hand in, as a child that is broken or hostile may, all that is not to be kept."""
    reading, writing = os.pipe()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for said, descriptors in (
        (b"", []),
        (b"x", []),
        (b'{"tag":"w0","descriptor":1}', []),
        (b'{"tag":"w0","descriptor":1}', [nothing]),
        (b'{"tag":"w0","descriptor":1}', [writing]),
        (b'{"tag":"w0","descriptor":3}', [reading]),
        (b'{"tag":"w0","descriptor":1}', [reading] * 200),
    ):
        socket.send_fds(paper.desk.keeping.sending, [said], descriptors)
    close_all([reading, writing, nothing])


def test_garbage_is_not_kept_and_what_comes_after_it_is(paper: Printed, pipes: Pipes) -> None:
    before = count_open()
    garbage(paper)
    pipes.look(0.0)
    assert pipes.gather() == {}
    assert count_open() == before
    writing = paper.pipe("w1")
    garbage(paper)
    assert list(pipes.gather().values()) == [Origin("w1", 1)]
    os.write(writing, b"after all\n")
    os.close(writing)
    pipes.finish(time.monotonic() + 5)
    assert paper.all() == b"after all\n"


def test_one_look_takes_a_bounded_number_of_what_comes_without_end(
    paper: Printed, pipes: Pipes
) -> None:
    for _ in range(2 * PORTION):
        paper.desk.keeping.sending.send(b"x")
    pipes.look(0.0)
    assert has_something(pipes)
    pipes.look(0.0)
    assert not has_something(pipes)


def test_who_is_born_has_all_that_was_handed_in_before_though_garbage_came_first(
    paper: Printed, pipes: Pipes
) -> None:
    for _ in range(PORTION + 1):  # of 70 that find room
        paper.desk.keeping.sending.send(b"x")
    writing = paper.pipe("w1")
    assert list(pipes.gather().values()) == [Origin("w1", 1)]
    os.close(writing)


def test_of_too_many_pipes_the_oldest_is_let_go_and_that_is_told(
    paper: Printed, capfd: pytest.CaptureFixture[str]
) -> None:
    pipes = Pipes(paper.desk, most=3)
    before = count_open()
    writing = [paper.pipe(f"w{number}") for number in range(5)]
    assert [origin.tag for origin in pipes.gather().values()] == ["w2", "w3", "w4"]
    assert "output_not_kept" in (said := capfd.readouterr().err)
    assert "there are more than 3 pipes" in said
    close_all(writing)
    pipes.look(0.0)
    assert pipes.gather() == {}
    assert count_open() == before
    pipes.close()


def test_a_pipe_that_no_descriptor_was_left_for_is_told(
    paper: Printed, pipes: Pipes, capfd: pytest.CaptureFixture[str]
) -> None:
    writing = paper.pipe("w5")
    with no_descriptor_left():
        assert pipes.gather() == {}
    said = capfd.readouterr().err
    assert 'output_not_kept reason="no descriptor was left for a pipe" who=w5' in said
    os.close(writing)


def test_a_socket_that_a_child_has_shut_is_left_alone(
    paper: Printed, pipes: Pipes, capfd: pytest.CaptureFixture[str]
) -> None:
    writing = paper.pipe()
    paper.desk.keeping.sending.shutdown(socket.SHUT_RDWR)
    pipes.look(0.0)
    assert not has_something(pipes)  # or the primary would turn and turn
    assert "output_not_kept" in capfd.readouterr().err
    assert list(pipes.gather().values()) == [Origin("w0", 1)]
    os.write(writing, b"all the same\n")
    os.close(writing)
    pipes.finish(time.monotonic() + 5)
    assert paper.all() == b"all the same\n"


def test_a_pipe_is_read_without_waiting_though_its_sender_makes_it_wait(
    paper: Printed, pipes: Pipes
) -> None:
    reading, writing = os.pipe()
    paper.desk.hand_in(Origin("w0", 1), reading)
    (pipe,) = pipes.gather()
    pipes.spill()
    os.set_blocking(reading, True)
    assert not Spout(Sink(1)).fill(pipe)  # it would wait here for ever
    close_all([reading, writing])


def test_what_cannot_be_read_is_at_its_end(paper: Printed) -> None:
    reading, writing = os.pipe()
    spout = Spout(Sink(paper.desk.stdout), b"begun")
    assert spout.fill(writing)
    assert spout.pour()
    assert paper.all() == b"begun\n"
    close_all([reading, writing])


# -- where nobody will tag any more --------------------------------------------


def look_until_there_is_nothing(pipes: Pipes, now: float = 0.0) -> None:
    while has_something(pipes):
        pipes.look(now)


def has_something(pipes: Pipes) -> bool:
    return bool(select.select([pipes], [], [], 0)[0])


def test_what_had_been_written_comes_out_untagged_and_so_does_what_follows(
    paper: Printed, pipes: Pipes
) -> None:
    before = count_open()
    writing = paper.pipe()
    os.write(writing, b"before\n")
    pipes.spill()
    pipes.look(0.0)
    assert paper.line() == b"before\n"
    os.write(writing, b"after\nlast")
    pipes.look(0.0)
    os.close(writing)
    pipes.look(0.0)
    assert paper.all() == b"after\nlast\n"
    assert not has_something(pipes)
    assert count_open() == before - 2  # the trays' ends


def test_whoever_is_born_later_needs_no_pipe(paper: Printed, pipes: Pipes) -> None:
    pipes.spill()
    with pytest.raises(OSError, match=r"Broken pipe|Connection reset"):
        paper.pipe()


def test_who_waits_for_room_in_a_full_pipe_is_freed(paper: Printed, pipes: Pipes) -> None:
    writing = paper.pipe()
    full = fill(writing)
    writer = os.fork()
    if writer == 0:
        os._exit(os.write(writing, b"at last\n") != 8)
    os.close(writing)
    pipes.spill()
    said = b""
    while b"at last\n" not in said:
        select.select([pipes], [], [])
        pipes.look(0.0)
        said += paper.all()
    assert len(said) == full + 8
    assert bury(writer) == 0


def test_where_there_is_no_room_it_waits_and_nothing_is_lost(paper: Printed, pipes: Pipes) -> None:
    writing, lines = paper.pipe(), [b"%4094d\n" % number for number in range(40)]
    there_already = fill(paper.desk.stdout)
    pipes.spill()
    for line in lines[:10]:
        os.write(writing, line)
    pipes.look(1.0)
    assert pipes.next_check() == 1.0 + PAUSE
    assert not has_something(pipes)  # or the primary would turn and turn
    pipes.check(1.0)
    assert pipes.next_check() is not None
    pipes.check(2.0)
    assert pipes.next_check() == 2.0 + PAUSE
    assert len(paper.all()) == there_already
    pipes.check(3.0)
    assert pipes.next_check() is None
    said = b""
    for line in lines[10:]:
        os.write(writing, line)
        look_until_there_is_nothing(pipes, 3.0)
        said += paper.all()
    os.close(writing)
    assert said == b"".join(lines)


def test_the_end_of_a_pipe_whose_lines_wait_for_room_loses_nothing(
    paper: Printed, pipes: Pipes
) -> None:
    writing = paper.pipe()
    fill(paper.desk.stdout)
    pipes.spill()
    os.write(writing, b"whole\nnot whole")
    os.close(writing)
    pipes.look(1.0)
    pipes.check(2.0)
    paper.all()
    pipes.check(3.0)
    look_until_there_is_nothing(pipes, 3.0)
    assert paper.all() == b"whole\nnot whole\n"


def test_lines_stay_whole_and_a_longer_one_comes_in_pieces(paper: Printed, pipes: Pipes) -> None:
    writing = paper.pipe()
    pipes.spill()
    os.write(writing, b"begun")
    pipes.look(0.0)
    assert paper.all() == b""
    os.write(writing, b", ended\n" + b"y" * (2 * ROOM) + b"\n")
    look_until_there_is_nothing(pipes)
    first, *pieces = paper.all().splitlines()
    assert first == b"begun, ended"
    assert b"".join(pieces) == b"y" * (2 * ROOM)
    assert all(len(piece) < ROOM for piece in pieces)
    os.write(writing, b"z" * (ROOM - 1) + b"\n")
    look_until_there_is_nothing(pipes)
    assert paper.all() == b"z" * (ROOM - 1) + b"\n"
    os.close(writing)


def test_where_nobody_reads_the_original_nobody_waits_for_that() -> None:
    with restored():
        reading, writing = os.pipe()
        os.dup2(writing, 1)
        os.close(writing)
        desk = Desk.open()
    os.close(reading)
    unread, pipes = Printed(desk, -1), Pipes(desk)
    printing = unread.pipe()
    pipes.spill()
    for _ in range(40):
        os.write(printing, b"x" * 4095 + b"\n")
        look_until_there_is_nothing(pipes)
    assert pipes.next_check() is None
    os.close(printing)
    pipes.close()
    close(desk)


def test_at_the_end_what_is_left_is_written_as_far_as_there_is_room(
    paper: Printed, pipes: Pipes
) -> None:
    writing = paper.pipe()
    os.write(writing, b"to the last word")
    os.close(writing)
    pipes.finish(time.monotonic() + 5)
    assert paper.all() == b"to the last word\n"


def test_at_the_end_nobody_waits_for_room_beyond_the_deadline(paper: Printed, pipes: Pipes) -> None:
    writing = paper.pipe()
    os.write(writing, b"too late\n")
    fill(paper.desk.stdout)
    pipes.finish(time.monotonic() + 2 * PAUSE)
    assert b"too late" not in paper.all()
    os.close(writing)


def test_at_the_end_an_unfinished_line_is_written_though_a_daemon_holds_the_pipe(
    paper: Printed, pipes: Pipes
) -> None:
    writing = paper.pipe()
    os.write(writing, b"whole\nto the last word")
    pipes.finish(time.monotonic() + 5)
    assert paper.all() == b"whole\nto the last word\n"
    os.close(writing)


def test_at_the_end_who_tags_writes_an_unfinished_line_though_a_daemon_holds_the_pipe(
    paper: Printed, pipes: Pipes
) -> None:
    writing = paper.pipe()
    reader = start(paper, pipes)
    os.write(writing, b"whole\nto the last word")
    assert paper.line() == b"[w0] whole\n"
    finish(paper, reader)
    assert paper.all() == b"[w0] to the last word\n"
    os.close(writing)


def test_who_tags_goes_on_where_garbage_comes_to_it(paper: Printed, pipes: Pipes) -> None:
    reader = start(paper, pipes)
    for _ in range(100):
        paper.desk.tagging.sending.send(b"x")
    writing = paper.pipe()
    os.write(writing, b"after all\n")
    assert paper.line() == b"[w0] after all\n"
    paper.desk.tagging.sending.shutdown(socket.SHUT_RDWR)
    os.write(writing, b"and on\n")
    assert paper.line() == b"[w0] and on\n"
    bury(reader, signal.SIGKILL)
    os.close(writing)
