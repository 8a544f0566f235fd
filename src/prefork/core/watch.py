"""Whether a worker's silence speaks against it: signs of life in, verdicts out.

Only time in which a worker could have run counts against it: not what its main thread spent
waiting for a core, nor what we slept too long ourselves, be it that the machine or all of us were
stopped. So an overloaded machine looks like one on which time passes slowly.
"""

from dataclasses import dataclass

from prefork.core.facts import Blocked, Recovered, TimedOut, Verdict

OVERSLEPT = 0.25  # seconds by which we may be late: less is what a busy machine does
LOOK_AGAIN = 0.25  # seconds; only while a worker is blocked: its beat comes twice a second
SOON = 0.05  # seconds; two looks are never closer
COMPLAIN_EVERY = 60.0  # seconds, about the same worker


@dataclass(frozen=True, slots=True)
class Signs:
    """What can be seen of a silent worker; times in seconds."""

    thread: float  # when the thread beside its event loop last beat, by our clock
    delayed: float  # how long, ever, its main thread could have run and had no core
    is_stopped: bool = False


@dataclass(frozen=True, slots=True)
class Starved:
    """The worker is silent because it gets no core; that is not its doing."""

    id: int
    seconds: float  # since its last beat


@dataclass(slots=True)
class Silence:
    """That of one worker, since its last beat."""

    beat: float
    since: float  # what counts against it began then: at the beat, later by what doesn't count
    look_at: float
    delayed: float | None = None  # as last seen; None: it was not suspect yet
    verdict: Verdict | None = None  # None: nothing is held against it
    is_overdue: bool = False
    complain_at: float = 0.0  # not before, of starvation


class Watch:
    """Half way to *warn* a silent worker is looked at closely for the first time.

    A healthy one is only seen to have beaten, and since all are seen together, that is one or two
    looks a second, for however many workers.
    """

    def __init__(self, warn: float, timeout: float) -> None:
        """*timeout*: 0 is never."""
        self._warn = min(warn, timeout) if timeout else warn
        self._timeout = timeout or float("inf")
        self._silences: dict[int, Silence] = {}  # by id
        self._floor = 0.0  # no silence counts before
        self._look_at: float | None = None

    @property
    def due(self) -> float | None:
        """When to look again; None: nobody is watched."""
        return self._look_at

    def await_first(self, now: float) -> None:
        """Look at a worker that has not beaten yet, when it will have."""
        if self._look_at is None:
            self._look_at = now + self._warn / 2

    def begin(self, now: float) -> None:
        """Begin a look at all. By how much that is late counts against nobody."""
        late = 0.0 if self._look_at is None else now - self._look_at
        if late > OVERSLEPT:
            self._floor = now
            for each in self._silences.values():
                each.since += late

    def end(self, living: set[int], now: float) -> None:
        """End a look: forget all but *living*, whose beats are heard; see when the next is due."""
        self._silences = {id: each for id, each in self._silences.items() if id in living}
        times = [each.look_at for each in self._silences.values()]
        self._look_at = max(min(times), now + SOON) if times else None

    def hear(self, id: int, beat: float) -> Recovered | None:
        """Note when it last beat; tell if it was blocked until then."""
        known = self._silences.get(id)
        if known is not None and known.beat == beat:
            return None
        since = max(beat, self._floor)
        look_at = since + self._warn / 2
        complain_at = 0.0 if known is None else known.complain_at
        self._silences[id] = Silence(beat, since, look_at, complain_at=complain_at)
        if known is None or known.verdict is None:
            return None
        return Recovered(id, beat - known.beat)

    def is_suspect(self, id: int, now: float) -> bool:
        """Whether its signs are to be read."""
        return self._silences[id].look_at <= now

    def judge(self, id: int, signs: Signs, now: float) -> Blocked | TimedOut | Starved | None:
        """Say what its silence means, as soon as that is clear."""
        silence = self._silences[id]
        known, silence.delayed = silence.delayed, signs.delayed
        if known is None:  # from here on we know how long it had no core
            silence.look_at = max(silence.since + self._warn, now + SOON)
            return None
        silence.since += max(0.0, signs.delayed - known)
        counts = now - silence.since
        if counts < self._warn:
            silence.look_at = silence.since + self._warn
            return self._starved(id, silence, counts, now)
        silence.look_at = now + LOOK_AGAIN
        was, silence.verdict = silence.verdict, self._verdict(signs, now)
        if was is None:
            return Blocked(id, silence.verdict, counts)
        if counts >= self._timeout and not silence.is_overdue:
            silence.is_overdue = True
            return TimedOut(id, silence.verdict, counts)
        return None

    def verdict(self, id: int) -> Verdict | None:
        """What is held against it now."""
        silence = self._silences.get(id)
        return None if silence is None else silence.verdict

    def _verdict(self, signs: Signs, now: float) -> Verdict:
        if signs.is_stopped:
            return Verdict.STOPPED
        is_fresh = now - signs.thread < self._warn / 2
        return Verdict.LOOP if is_fresh else Verdict.INTERPRETER

    def _starved(self, id: int, silence: Silence, counts: float, now: float) -> Starved | None:
        """Say it once in a while, where most of the time doesn't count."""
        passed = now - max(silence.beat, self._floor)
        if passed < self._warn or counts > passed / 2 or now < silence.complain_at:
            return None
        silence.complain_at = now + COMPLAIN_EVERY
        return Starved(id, passed)
