"""The user's code as children run it: the application and its hooks, imported together."""

from dataclasses import dataclass, replace

from prefork.settings.schema import Settings
from prefork.wire import descriptors
from prefork.wire.estate import Estate
from prefork.worker import app_logging, main_module
from prefork.worker.application import Application, load
from prefork.worker.hooks import Hook


@dataclass(frozen=True, slots=True)
class Code:
    """Of one generation: a hook must not be newer than the application beside it."""

    application: Application | None  # None: it is a script, whose pool alone runs it
    post_fork: Hook
    pre_stop: Hook
    worker_exit: Hook
    pool_initializer: Hook
    files: frozenset[int] = frozenset()  # descriptors that the import opened: of logs, of databases

    @classmethod
    def of(cls, estate: Estate) -> "Code":
        """Load what this instance runs: an application, or the script whose pool it is.

        Raises AppError.
        """
        settings = estate.settings
        if estate.main is None:
            return cls.load(settings)
        before = descriptors.opened()
        main_module.load(estate.main)
        return cls(
            None,
            Hook("post_fork"),
            Hook("pre_stop"),
            Hook("worker_exit"),
            Hook.load("pool_initializer", settings.pool_initializer, settings.app_dir),
            files=descriptors.opened() - before,
        )

    @property
    def kind(self) -> str:
        """By which interface it is served; nothing, where it is not."""
        return "" if self.application is None else self.application.kind

    @classmethod
    def load(cls, settings: Settings) -> "Code":
        """Configure `logging`, then import. Raises AppError."""
        before = descriptors.opened()
        app_logging.configure(settings)
        application = replace(
            load(settings.app, settings.app_dir, settings.interface),
            root_path=settings.root_path,
            threads=settings.threads,
        )
        return cls(
            application,
            Hook.load("post_fork", settings.post_fork, settings.app_dir),
            Hook.load("pre_stop", settings.pre_stop, settings.app_dir),
            Hook.load("worker_exit", settings.worker_exit, settings.app_dir),
            Hook.load("pool_initializer", settings.pool_initializer, settings.app_dir),
            descriptors.opened() - before,
        )
