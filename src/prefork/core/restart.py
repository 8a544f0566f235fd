"""How long to wait before a dead process is replaced."""

from dataclasses import dataclass

FIRST_DELAY = 0.1  # seconds; doubled with each death in a row
LONGEST_EARLY_DELAY = 30.0  # systemd and PM2 cap theirs at 30 and 15 s
LONGEST_SHORT_DELAY = 5.0
LONGEST_POOL_DELAY = 0.05  # what kills a process of the pool is a task; others wait
LONGEST_OUTAGE_DELAY = 0.1  # while fewer than half of the slots serve
GOLDEN_RATIO = 0.618034  # its multiples, modulo 1, spread evenly: jitter without a dice


def delay(deaths: int, longest: float, seed: int) -> float:
    """Seconds to wait after the *deaths*-th death in a row, ±20 % by *seed*; 0 after none."""
    if deaths <= 0:
        return 0.0
    doubled = FIRST_DELAY * 2.0 ** min(deaths - 1, 30)
    return min(doubled, longest) * (0.8 + 0.4 * (seed * GOLDEN_RATIO % 1))


@dataclass(slots=True)
class EarlyDeaths:
    """Deaths before READY, or soon after it, counted in rounds.

    Sixteen workers that die together of one missing database are one round, not sixteen.
    """

    rounds: int = 0
    _last: float = float("-inf")  # when the last counted one died

    def note(self, spawned_at: float, now: float) -> None:
        if spawned_at >= self._last:
            self.rounds += 1
            self._last = now

    def delay(self, seed: int, *, was_ready: bool = False) -> float:
        """*was_ready*: the first costs no delay then, as it may have been killed from outside."""
        return delay(self.rounds - was_ready, LONGEST_EARLY_DELAY, seed)

    def forget(self) -> None:
        """What died so early does come: whatever was wrong is over."""
        self.rounds = 0


@dataclass(slots=True)
class ShortLives:
    """Lives in one slot that ended soon after READY; the first costs no delay."""

    count: int = 0

    def note(self, uptime: float, min_uptime: float) -> None:
        self.count = 0 if uptime >= min_uptime else self.count + 1

    def delay(self, seed: int, *, outage: bool) -> float:
        """*outage*: fewer than half of the slots serve, so waiting does more harm than good."""
        wait = delay(self.count - 1, LONGEST_SHORT_DELAY, seed)
        return min(wait, LONGEST_OUTAGE_DELAY) if outage else wait
