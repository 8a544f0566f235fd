"""The user's code as a worker runs it: the application and its hooks, imported together."""

from dataclasses import dataclass, replace

from prefork.settings.schema import Settings
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

    @classmethod
    def load(cls, settings: Settings) -> "Code":
        """Configure `logging`, then import. Raises AppError."""
        app_logging.configure(settings)
        application = replace(
            load(settings.app, settings.app_dir, settings.interface), root_path=settings.root_path
        )
        moments = ("post_fork", "pre_stop", "worker_exit")
        specs = (settings.post_fork, settings.pre_stop, settings.worker_exit)
        hooks = [
            Hook.load(moment, spec, settings.app_dir)
            for moment, spec in zip(moments, specs, strict=True)
        ]
        return cls(application, *hooks)
