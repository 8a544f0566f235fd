"""`prefork` as on a system that gives orphans to nobody but init, such as macOS.

python -m tests.support.without_subreaper serve …
"""

import sys

from prefork.cli.main import main
from prefork.wire import lineage

if __name__ == "__main__":
    lineage.adopt_orphans = lambda: False
    sys.exit(main())
