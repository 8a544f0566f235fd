"""`python -m prefork` is `prefork`."""

import sys

from prefork.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
