"""Watches the application's files, and hangs up on the primary when one has changed."""

import fnmatch
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from setproctitle import setproctitle

from prefork import log
from prefork.settings.schema import Settings
from prefork.wire import lineage
from prefork.wire.estate import AideBirth

CODE = "*.py"
QUIET = 60  # milliseconds without a change that end a burst; many saves are one reload
LONGEST_BURST = 1600  # milliseconds; watchfiles' own default
LOOK_UP = 500  # milliseconds between looks at whether the primary lives
MOST_NAMED = 5  # files in one line of the log


def main(birth: AideBirth) -> int:
    """Watch until the primary is gone. Returns the exit code."""
    from watchfiles import watch  # noqa: PLC0415 - an extra; the settings have looked for it

    settings, primary = birth.estate.settings, birth.estate.primary
    lineage.die_with(primary)
    setproctitle(f"prefork: watcher [{settings.app}]")
    places = watched(settings)
    is_watching = False
    for changes in watch(
        *places,
        watch_filter=Filter(settings),
        debounce=LONGEST_BURST,
        step=QUIET,
        rust_timeout=LOOK_UP,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    ):
        if not is_watching:  # only now is it sure that no change is missed
            is_watching = True
            log.debug("watching", directories=places)
        if os.getppid() != primary:
            return 0
        if changes:
            log.info("files_changed", files=list(named(sorted(path for _, path in changes))))
            os.kill(primary, signal.SIGHUP)
    return 1  # interrupted; the primary starts another


def watched(settings: Settings) -> list[str]:
    """The directories: those that were asked for, else the application's."""
    return [os.path.realpath(each) for each in settings.reload_dir or (settings.app_dir,)]


def named(paths: Sequence[str]) -> Iterator[str]:
    """The first few, as a reader finds them from here; then how many more there are."""
    here = os.getcwd() + os.sep
    yield from (path.removeprefix(here) for path in paths[:MOST_NAMED])
    if len(paths) > MOST_NAMED:
        yield f"{len(paths) - MOST_NAMED} more"


class Filter:
    """Which changes count: by the name of the file, and of the directories above it."""

    def __init__(self, settings: Settings) -> None:
        from watchfiles import DefaultFilter  # noqa: PLC0415

        self._include = (CODE, *settings.reload_include)
        self._exclude = settings.reload_exclude
        self._usual = DefaultFilter()  # .git, .venv, __pycache__, editors' swap files, …
        self._roots = watched(settings)

    def __call__(self, change: object, path: str) -> bool:
        above = [each for each in self._roots if path.startswith(each + os.sep)]
        root = max(above, key=len, default="/")  # of nested ones the nearest
        parts = Path(path).relative_to(root).parts  # a root in a directory called build is fine
        return (
            any(fnmatch.fnmatch(parts[-1], glob) for glob in self._include)
            and not any(fnmatch.fnmatch(part, glob) for part in parts for glob in self._exclude)
            and self._usual(change, os.path.join("/", *parts))  # type: ignore[arg-type]
        )
