"""What workers and the primary of the real program say to each other, and who pays for what."""

import json
import os
import signal

import pytest
from tests.process.conftest import Serve
from tests.support import processes
from tests.support.memory import Growth
from tests.support.orders import APP, ENTRY, heard, message, order, told, trips
from tests.support.program import Program, serving

MB = 1_000_000


@pytest.fixture
def program(serve: Serve) -> Program:
    return serve("--workers", "2", app=APP, entry=ENTRY)


def test_a_message_is_seen_with_its_sender_both_ways(program: Program) -> None:
    stats = program.stats()
    pids = serving(stats)
    for slot in (0, 1):
        order(program, slot, "report")
    entries = heard(program, "number", 2)
    assert {(each["slot"], each["pid"]) for each in entries} == set(enumerate(pids))
    for each in entries:
        assert message(each) == {"slot": each["slot"], "number": 0, "fds": 0}
    told(program, "/send?ask=1&x=5")
    [answered] = program.journal.wait_for("answered")
    answer = {"slot": 1, "pid": pids[1], "asked": {"x": 5}}
    assert json.loads(answered["value"]) == answer


@pytest.mark.parametrize("preload", ["off", "on"])
def test_handlers_that_the_import_registers_are_each_workers_own(
    serve: Serve, preload: str
) -> None:
    program = serve("--workers", "2", "--preload", preload, app=APP, entry=ENTRY)
    for slot in (0, 1):
        order(program, slot, "report", times=3)
    found = [message(each) for each in heard(program, "number", 6)]
    for slot in (0, 1):
        assert [each["number"] for each in found if each["slot"] == slot] == [0, 1, 2]


def test_a_descriptor_and_800_kb_are_one_message(program: Program) -> None:
    for _ in range(4):
        assert told(program, "/large") is True


def test_a_thread_of_a_worker_may_send_and_ask(program: Program) -> None:
    assert told(program, "/thread?hello=1") == "from a thread"
    heard(program, "hello")


def test_garbage_costs_the_worker_that_sends_it_alone(program: Program) -> None:
    first, second = program.workers(2)
    order(program, 1, "misbehave")
    [blamed] = program.journal.wait_for("child_misbehaved")
    assert blamed["pid"] == second
    stats = program.settled(lambda stats: len(serving(stats)) == 2 and second not in serving(stats))
    assert serving(stats)[0] == first
    for slot in (0, 1):
        order(program, slot, "report")
    heard(program, "number", 2)


def test_a_worker_that_vanishes_with_descriptors_on_their_way_hurts_nobody(
    program: Program,
) -> None:
    order(program, 0, "report")
    order(program, 1, "report")
    heard(program, "number", 2)
    before = len(processes.descriptors(program.pid))
    victim = program.workers(2)[1]
    order(program, 1, "vanish", times=50, descriptors=20)
    stats = program.settled(lambda stats: len(serving(stats)) == 2 and victim not in serving(stats))
    assert len(program.journal.entries("child_misbehaved")) == 0
    order(program, 1, "report")  # so that the new one has a line too
    heard(program, "number", 3)
    assert len(processes.descriptors(program.pid)) == before
    assert serving(stats)[0] in program.workers(2)


def test_what_is_sent_and_printed_last_arrives(serve: Serve) -> None:
    reading, writing = os.pipe()
    program = serve("--workers", "2", app=APP, entry=ENTRY, stdout=writing)
    os.close(writing)
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    with os.fdopen(reading) as stream:
        printed = stream.read()
    for slot in (0, 1):
        assert f"last words of {slot}" in printed
    assert {message(each)["bye"] for each in heard(program, "bye", 2)} == {0, 1}


def test_a_worker_that_disconnects_is_replaced_first_and_exits_well(program: Program) -> None:
    victim = program.workers(2)[1]
    order(program, 1, "disconnect")
    program.journal.wait_for_line(f"app: acknowledged in {victim}")
    [exited] = program.journal.wait_for("worker_exited")
    assert (exited["pid"], exited["status"]) == (victim, 0)
    assert victim not in program.workers(2)


# -- figures -----------------------------------------------------------------


def test_a_round_trip_takes_milliseconds_at_most(program: Program) -> None:
    """0.1 ms, on a machine that has nothing else to do: benchmarks/results/messages.md."""
    assert min(trips(program, 0).p50 for _ in range(5)) < 0.005


def test_a_worker_that_reads_nothing_costs_the_others_nothing(program: Program) -> None:
    before = min(trips(program, 0).p50 for _ in range(3))
    order(program, 1, "wedge")
    program.journal.wait_for_line("app: wedged")
    with Growth(program.pid) as growth:
        order(program, 1, "report", times=20_000, descriptors=1)
        stuck = min(trips(program, 0).p50 for _ in range(5))
    assert max(each["pressed"] for each in program.journal.entries("relayed")) > 10_000
    assert growth.peak < 40 * MB
    assert stuck < 2 * before + 0.005


@pytest.mark.parametrize("waits", [0, 1], ids=["regardless", "as it is asked to"])
def test_a_flood_makes_nobody_grow(program: Program, waits: int) -> None:
    worker = program.workers(2)[1]
    order(program, 1, "flood", bytes=MB, waits=waits)
    heard(program, "flooded")
    with Growth(program.pid) as primary, Growth(worker) as flooding:
        order(program, 1, "flood", bytes=60 * MB, waits=waits)
        entry = heard(program, "flooded", 2)[-1]
    assert primary.peak < 3 * MB
    assert flooding.peak < (5 * MB if waits else 40 * MB)
    if waits:
        assert message(entry)["flooded"] == 61_000
