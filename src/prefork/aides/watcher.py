"""Watches the application's files, and hangs up on the primary when one has changed."""

import fnmatch
import os
import select
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from setproctitle import setproctitle
from watchfiles import Change, DefaultFilter, watch

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
    settings, primary = birth.estate.settings, birth.estate.primary
    lineage.die_with(primary)
    setproctitle(f"prefork: watcher [{settings.app}]")
    watcher = Watcher(settings, primary)
    while os.getppid() == primary:
        watcher.watch_again()
    return 0


class Watcher:
    """Watches the directories that the settings name, whatever those names lead to."""

    def __init__(self, settings: Settings, primary: int) -> None:
        self._settings = settings
        self._primary = primary
        self._filter = Filter(settings)
        self._here = _current_directory()
        self._watched: list[Place] = []
        self._trouble = ""  # that was told

    def watch_again(self) -> None:
        """Watch until it fails, or the directories are others, or the primary is gone."""
        try:
            self._watch()
        except (OSError, RuntimeError) as error:  # a directory is gone; or a name is no text
            if self._trouble != str(error):
                self._trouble = str(error)
                log.error("watch_failed", reason=str(error))
            if isinstance(error, RuntimeError):  # what has changed is lost, but not that it has
                os.kill(self._primary, signal.SIGHUP)
            select.select([], [], [], LOOK_UP / 1000)

    def _watch(self) -> None:
        places = [Place.at(path) for path in watched(self._settings)]
        is_watching = False
        for changes in watch(
            *(place.path for place in places),
            watch_filter=self._filter,
            debounce=LONGEST_BURST,
            step=QUIET,
            rust_timeout=LOOK_UP,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        ):
            if not is_watching:
                is_watching = True
                self._begin(places)
            if changes:
                self._tell(sorted(path for _, path in changes))
            is_orphan = os.getppid() != self._primary
            if is_orphan or places != [Place.at(path) for path in watched(self._settings)]:
                return

    def _begin(self, places: list["Place"]) -> None:
        """From now on no change is missed; what came before may have been."""
        self._trouble = ""
        paths = [place.path for place in places]
        log.debug("watching", directories=paths)
        if self._watched not in ([], places):
            self._tell(paths)
        self._watched = places

    def _tell(self, paths: Sequence[str]) -> None:
        log.info("files_changed", files=list(named(paths, self._here)))
        os.kill(self._primary, signal.SIGHUP)  # last, so that the log has cause before effect


@dataclass(frozen=True, slots=True)
class Place:
    """A directory, by its name and by what is there now: one that was replaced is another."""

    path: str
    identity: tuple[int, int] | None  # device and inode; None: there is nothing

    @classmethod
    def at(cls, path: str) -> "Place":
        try:
            status = os.stat(path)
        except OSError:
            return cls(path, None)
        return cls(path, (status.st_dev, status.st_ino))


def watched(settings: Settings) -> list[str]:
    """The directories, as their names lead now: those asked for, else the application's."""
    return [os.path.realpath(each) for each in settings.reload_dir or (settings.app_dir,)]


def named(paths: Sequence[str], here: str) -> Iterator[str]:
    """The first few, as a reader finds them from *here*; then how many more there are."""
    yield from (path.removeprefix(here) for path in paths[:MOST_NAMED])
    if len(paths) > MOST_NAMED:
        yield f"{len(paths) - MOST_NAMED} more"


def _current_directory() -> str:
    try:
        return os.getcwd() + os.sep
    except OSError:  # it was removed
        return ""


class Filter:
    """Which changes count: by the name of the file, and of the directories above it."""

    def __init__(self, settings: Settings) -> None:
        self._include = (CODE, *settings.reload_include)
        self._exclude = settings.reload_exclude
        self._usual = DefaultFilter()  # .git, .venv, __pycache__, editors' swap files, …
        self._roots = watched(settings)

    def __call__(self, change: object, path: str) -> bool:
        above = [each for each in self._roots if path.startswith(each + os.sep)]
        root = max(above, key=len, default="/")  # of nested ones the nearest
        parts = Path(path).relative_to(root).parts  # a root in a directory called build is fine
        return (
            (self._is_code(parts[-1]) or self._holds_code(change, path))
            and not any(fnmatch.fnmatch(part, glob) for part in parts for glob in self._exclude)
            and self._usual(change, os.path.join("/", *parts))  # type: ignore[arg-type]
        )

    def _is_code(self, name: str) -> bool:
        return any(fnmatch.fnmatch(name, glob) for glob in self._include)

    def _holds_code(self, change: object, path: str) -> bool:
        """Whether it is a directory that came with files: a package that was put in place whole."""
        if change is not Change.added or not os.path.isdir(path):
            return False
        return any(self._is_code(name) for _, _, names in os.walk(path) for name in names)
