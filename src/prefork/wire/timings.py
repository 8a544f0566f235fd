"""How long tasks of one pool process waited and ran lately: two histograms in shared memory.

One process writes, others read, without locks. Two windows take turns: who reads adds up the one
that runs and the one before, so what is told covers between one and two of their lengths, and costs
the same however many tasks there were.
"""

import mmap
import os
import sys
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from prefork.wire.nameless import nameless_file

WINDOW = 30_000_000_000  # nanoseconds
QUANTILES = (0.5, 0.9, 0.99, 0.999)

_FINE = 3  # bits: eight buckets for each doubling, so that a figure is off by 6 % at most
_FIRST = 10  # doublings: what is below 2**10 ns, a microsecond, is counted as that
_DOUBLINGS = 30  # up to 2**40 ns, 1100 s
_BUCKETS = _DOUBLINGS << _FINE

# The words of one window.
_NUMBER = 0  # which window of the clock it is, from 1; 0 while it is being cleared
_BUSY = 1  # nanoseconds that its tasks ran
_WAIT = 2
_RUN = _WAIT + _BUCKETS
_WORDS = _RUN + _BUCKETS

_BORN = 2 * _WORDS  # the word behind both windows: since when there is somebody who could write
_SIZE = (_BORN + 1) * 8


@dataclass(frozen=True, slots=True)
class Seen:
    """What is in the memory of one process: its two windows, added up."""

    wait: list[int]  # how many, by bucket
    run: list[int]
    busy: int  # nanoseconds
    covered: int  # nanoseconds


@dataclass(frozen=True, slots=True)
class Summary:
    """Of the tasks that ended in the last 30 to 60 seconds.

    *wait*, *run*: milliseconds for each of QUANTILES, or nothing where no task has ended. *busy*:
    the part of the time in which a task ran, from 0 to 1.
    """

    count: int
    wait: tuple[float, ...]
    run: tuple[float, ...]
    busy: float


class Timings:
    """The memory of one process."""

    def __init__(self, memory: memoryview) -> None:
        """*memory*: of zeros at first, as 64-bit numbers."""
        self._words = memory
        self._number = 0  # of the window that was written last

    @classmethod
    def of(cls, descriptor: int) -> "Timings":
        """Map what `make` made, here or in another process; the descriptor may be closed then."""
        return cls(memoryview(mmap.mmap(descriptor, _SIZE)).cast("Q"))

    @classmethod
    def private(cls, now: int) -> "Timings":
        """Make one that nobody else sees."""
        memory = memoryview(bytearray(_SIZE)).cast("Q")
        memory[_BORN] = now
        return cls(memory)

    def note(self, wait: int, run: int, now: int) -> None:
        """Count a task that has ended: nanoseconds, and the time of the monotonic clock."""
        number = now // WINDOW + 1
        at = (number & 1) * _WORDS
        words = self._words
        if number != self._number:
            self._begin(number, at)
        words[at + _BUSY] += run
        words[at + _WAIT + _bucket(wait)] += 1
        words[at + _RUN + _bucket(run)] += 1

    def _begin(self, number: int, at: int) -> None:
        self._number = number
        if self._words[at + _NUMBER] != number:  # else it is ours, mapped again
            self._words[at + _NUMBER] = 0
            self._words[at + _BUSY : at + _WORDS] = memoryview(bytes(8 * (_WORDS - _BUSY))).cast(
                "Q"
            )
            self._words[at + _NUMBER] = number

    def seen(self, now: int, since: int = 0) -> Seen:
        """Read both windows, without those that are over. *since*: when the task began that runs,
        and is not counted yet; 0: none does."""
        number = now // WINDOW + 1
        windows = [self._window(each) for each in (number - 1, number)]
        begin = max(self._words[_BORN], (number - 2) * WINDOW)
        return Seen(
            wait=_sum(window[_WAIT:_RUN] for window in windows),
            run=_sum(window[_RUN:] for window in windows),
            busy=sum(window[_BUSY] for window in windows) + (now - since if since else 0),
            covered=max(0, now - begin),
        )

    def _window(self, number: int) -> list[int]:
        """The words of a window: zeros where it isn't there, or goes while it is read."""
        at = (number & 1) * _WORDS
        words = self._words[at : at + _WORDS].tolist()
        is_whole = words[_NUMBER] == self._words[at + _NUMBER] == number
        return words if is_whole else [0] * _WORDS


def make(now: int) -> int:
    """Make the memory of a process that is to be; returns its descriptor. Raises OSError."""
    descriptor = nameless_file("timings", _SIZE)
    os.pwrite(descriptor, now.to_bytes(8, sys.byteorder), _BORN * 8)
    return descriptor


def summary(processes: Iterable[Seen]) -> Summary:
    """Say what the tasks of these processes took, and how busy these were."""
    every = list(processes)
    wait, run = _sum(each.wait for each in every), _sum(each.run for each in every)
    busy = sum(min(each.busy, each.covered) for each in every)
    covered = sum(each.covered for each in every)
    return Summary(
        count=sum(run),
        wait=_quantiles(wait),
        run=_quantiles(run),
        busy=busy / covered if covered else 0.0,
    )


def _bucket(duration: int) -> int:
    """Doublings that are each divided evenly, so that it takes a shift instead of a logarithm."""
    doubling = duration.bit_length() - 1 - _FIRST
    if doubling < 0:
        return 0
    within = (duration >> (doubling + _FIRST - _FINE)) - (1 << _FINE)
    bucket = (doubling << _FINE) + within
    return bucket if bucket < _BUCKETS else _BUCKETS - 1


def _middle(bucket: int) -> float:
    """Milliseconds in the middle of a bucket."""
    doubling, within = bucket >> _FINE, bucket & ((1 << _FINE) - 1)
    finest = 1 << (doubling + _FIRST - _FINE)  # nanoseconds: the bucket's width
    return ((1 << _FINE) + within + 0.5) * finest / 1e6


def _quantiles(histogram: list[int]) -> tuple[float, ...]:
    ranks = list(accumulate(histogram))
    if not ranks[-1]:
        return ()
    return tuple(_middle(bisect_left(ranks, quantile * ranks[-1])) for quantile in QUANTILES)


def _sum(histograms: Iterable[list[int]]) -> list[int]:
    return [sum(counts) for counts in zip([0] * _BUCKETS, *histograms, strict=True)]
