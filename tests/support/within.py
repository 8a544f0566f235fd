"""Runs a module in the network of another process: `python -m tests.support.within PID MODULE …`"""

import runpy
import sys

from tests.support.distance import enter

if __name__ == "__main__":
    enter(int(sys.argv.pop(1)))
    module = sys.argv.pop(1)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
