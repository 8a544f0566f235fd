"""A program that takes so much of a core, in turns of 20 ms, and does nothing with it.

python -m benchmarks.burner CORES
"""

import sys
import time

from tests.support.pacing import beats

TURN = 0.02  # seconds
LONGEST = 600.0  # seconds


def main(cores: float) -> None:
    for _ in beats(TURN, LONGEST):
        enough = time.thread_time() + cores * TURN
        while time.thread_time() < enough:
            pass


if __name__ == "__main__":
    main(float(sys.argv[1]))
