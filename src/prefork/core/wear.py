"""How worn a worker is, and how worn it may be: numbers in, reasons out."""

from dataclasses import dataclass

from prefork.core.restart import GOLDEN_RATIO

LIFETIME_JITTER = 0.1  # of a lifetime: workers that were born together don't go together
MEBI = 1 << 20


@dataclass(frozen=True, slots=True)
class Wear:
    """What a worker has done, and become."""

    requests: int
    seconds: float  # that it has lived
    memory: int  # resident bytes


@dataclass(frozen=True, slots=True)
class Terms:
    """How much of it a worker may be; 0 is any amount."""

    requests: int = 0
    requests_jitter: int = 0  # up to so many more, for each worker another number
    lifetime: float = 0.0  # seconds, or up to a tenth more
    memory: int = 0  # bytes
    memory_hard: int = 0  # bytes, above which it isn't even waited for a successor

    @property
    def has_any(self) -> bool:
        return bool(self.requests or self.lifetime or self.memory or self.memory_hard)

    def exceeded(self, id: int, wear: Wear) -> str:
        """Why the worker is to be replaced; empty: it isn't. *id* decides its jitter."""
        share = id * GOLDEN_RATIO % 1
        if self.memory and wear.memory >= self.memory:
            return f"{wear.memory // MEBI} MiB of memory (max_memory)"
        if self.requests and wear.requests >= self.requests + int(
            share * (self.requests_jitter + 1)
        ):
            return f"{wear.requests} requests (max_requests)"
        if self.lifetime and wear.seconds >= self.lifetime * (1 + LIFETIME_JITTER * share):
            return f"{wear.seconds:.0f} s of life (max_lifetime)"
        return ""

    def overgrown(self, wear: Wear) -> str:
        """Why it is to be killed; empty: it isn't."""
        if self.memory_hard and wear.memory >= self.memory_hard:
            return f"took {wear.memory // MEBI} MiB of memory (max_memory_hard)"
        return ""
