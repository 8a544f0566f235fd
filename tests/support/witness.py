"""`prefork` with a witness: when the primary exits, it lists its modules and counts its threads.

    python -m tests.support.witness FILE serve …

Whatever the primary imported in its whole life is in `sys.modules` then. Its children leave by
`os._exit` and write nothing.
"""

import atexit
import json
import os
import sys
from pathlib import Path

from prefork.cli.main import main


def testify(file: Path, primary: int) -> None:
    if os.getpid() == primary:
        file.write_text(json.dumps(sorted(sys.modules)))


if __name__ == "__main__":
    atexit.register(testify, Path(sys.argv.pop(1)), os.getpid())
    sys.exit(main())
