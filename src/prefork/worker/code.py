"""The user's code as children run it: the application and its hooks, imported together."""

from dataclasses import dataclass, replace

from prefork.settings.schema import Settings
from prefork.wire import descriptors
from prefork.worker import app_logging
from prefork.worker.application import Application, load
from prefork.worker.hooks import Hook


@dataclass(frozen=True, slots=True)
class Code:
    """Of one generation: a hook must not be newer than the application beside it."""

    application: Application
    post_fork: Hook
    pre_stop: Hook
    worker_exit: Hook
    pool_initializer: Hook
    files: frozenset[int] = frozenset()  # descriptors that the import opened: of logs, of databases

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
