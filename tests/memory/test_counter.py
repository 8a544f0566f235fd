"""One number, which processes and threads count in while some of them are killed."""

import asyncio
import os
import pickle
import signal
import threading
from functools import partial

import pytest
from tests.memory.children import exit_codes, fork

from prefork import SharedArray, SharedCounter

PROCESSES, THREADS = 4, 3
TIMES = {"libatomic": 20_000, "lock": 300}  # enough for changes to be lost


def test_it_is_added_to_set_and_compared() -> None:
    counter = SharedCounter("hits")
    assert (counter.value, counter.add(), counter.add(-3)) == (0, 1, -2)
    counter.set(10)
    assert not counter.compare_exchange(9, 0)
    assert counter.compare_exchange(10, 11)
    assert (counter.value, repr(counter)) == (11, "SharedCounter('hits')")
    assert pickle.loads(pickle.dumps(counter)).value == 11
    with pytest.raises(ValueError, match="no number of the typecode q"):
        counter.set(1 << 63)


def count(times: int, counter: SharedCounter, noted: SharedArray[int], process: int) -> None:
    """Count in threads, each of which notes what it has added; *times* 0: for ever."""

    def add(place: int) -> None:
        while not times or noted[place] < times:
            counter.add()
            noted[place] += 1  # its own

    places = range(process * THREADS, (process + 1) * THREADS)
    threads = [threading.Thread(target=add, args=(place,)) for place in places]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def test_nothing_is_lost_of_what_processes_and_threads_add(atomics: str) -> None:
    times = TIMES[atomics]
    counter, noted = SharedCounter("sum"), SharedArray("noted", "q", PROCESSES * THREADS)
    assert (counter.value, noted[0]) == (0, 0)  # attached, so the children share them
    pids = [fork(partial(count, times, counter, noted, n)) for n in range(PROCESSES)]
    assert exit_codes(*pids) == [0] * PROCESSES
    assert counter.value == PROCESSES * THREADS * times


def test_who_is_killed_while_it_adds_costs_nobody_anything(atomics: str) -> None:
    """Where a lock is held by a process that is killed, the kernel takes it."""
    times = TIMES[atomics]
    counter, noted = SharedCounter("sum"), SharedArray("noted", "q", PROCESSES * THREADS)
    assert (counter.value, noted[0]) == (0, 0)
    victims = [fork(partial(count, 0, counter, noted, n)) for n in (0, 1)]
    others = [fork(partial(count, times, counter, noted, n)) for n in (2, 3)]
    for victim in victims:
        while counter.add(0) < 100:
            os.sched_yield()
        os.kill(victim, signal.SIGKILL)
    assert exit_codes(*victims, *others) == [-9, -9, 0, 0]
    assert counter.add(1) - 1 - sum(noted) in range(2 * THREADS + 1)  # each had one under way
    assert sum(noted[2 * THREADS :]) == 2 * THREADS * times


def test_every_change_wakes_who_waits() -> None:
    async def wait() -> None:
        counter = SharedCounter("hits")
        for change, expected in (
            (lambda: counter.add(2), 2),
            (lambda: counter.set(7), 7),
            (lambda: counter.compare_exchange(7, 9), 9),
        ):
            waiting = asyncio.create_task(counter.wait(counter.value, timeout=20))
            await asyncio.sleep(0)
            assert exit_codes(fork(change)) == [0]
            assert await waiting == expected

    asyncio.run(wait())
