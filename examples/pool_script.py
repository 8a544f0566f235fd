"""A plain script that has all its cores compute: how many primes there are, one range each."""

import asyncio
from collections.abc import Iterator

import prefork

STEP = 20_000


def count_primes(numbers: range) -> int:
    """What a core is kept busy by: it runs in a process of the pool."""
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in numbers if n > 1)


def ranges(most: int) -> Iterator[range]:
    return (range(start, min(start + STEP, most)) for start in range(0, most, STEP))


async def main() -> None:
    async with prefork.Pool("max", timeout=60) as pool:
        found = 0
        async for some in pool.map(count_primes, ranges(200_000)):
            found += some
            print(f"{found} primes so far", flush=True)


if __name__ == "__main__":  # the pool imports this file too
    asyncio.run(main())
