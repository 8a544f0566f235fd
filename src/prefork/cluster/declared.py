"""The declarative idiom: say what is to be served, and how; the fleet sees to the rest."""

from typing import Any

from prefork.cluster.supervisor import Supervisor
from prefork.core.facts import ScaleRequested
from prefork.settings import environment
from prefork.settings.resolution import resolve
from prefork.settings.sources import from_call


class Cluster(Supervisor):
    """What `prefork serve` runs, with events.

    >>> fleet = Cluster("app:handler", workers="max", bind="127.0.0.1:8000")
    >>> fleet.on("exit", lambda worker, code, signal: print(worker, code, signal))
    >>> fleet.run()

    Its `settings` are those that are in force, each an attribute.
    """

    def __init__(self, app: str, **settings: Any) -> None:
        """*app*: MODULE:ATTRIBUTE. *settings*: by their names in docs/reference/settings.md; they
        win over the environment and over prefork.toml, which is read too. Raises SettingsError that
        names every problem at once.
        """
        super().__init__()
        given = {"app": app, **settings}
        self._resolution = resolve(given, environment.variables(), read=from_call)
        self.settings = self._resolution.settings()

    def run(self) -> None:
        """Serve until told to stop; SIGTERM drains, SIGHUP reloads.

        Raises SystemExit where the process is not to exit with 0: with the code of
        docs/reference/exit-codes.md, after one line on standard error that says why.
        """
        self._resolution.take_effect()
        if self._begin(self.settings):
            self._run(self._instance)

    def scale(self, by: int) -> None:
        """Start so many workers more, or let as many go where *by* is negative."""
        self._instance.primary.tell(ScaleRequested(by))
