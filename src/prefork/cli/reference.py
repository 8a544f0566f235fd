"""The reference pages that are made from the code: write or check them."""

import sys
from pathlib import Path

from prefork.cli.pages import PAGES


def stale(directory: Path) -> list[Path]:
    """The pages that are missing, or differ from what the code says."""
    return [
        directory / name
        for name, page in PAGES.items()
        if not (directory / name).is_file() or (directory / name).read_text() != page()
    ]


def write(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (directory / name).write_text(page())


def main(arguments: list[str]) -> int:
    """Run `python -m prefork.cli.reference [--check] DIR`."""
    match arguments:
        case ["--check", directory]:
            old = stale(Path(directory))
            for page in old:
                print(f"{page} is not what the code says; run `make docs-generate`")
            return 1 if old else 0
        case [directory] if not directory.startswith("-"):
            write(Path(directory))
            return 0
    print("usage: python -m prefork.cli.reference [--check] DIR", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
