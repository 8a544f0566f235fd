"""Settings of the processes that serve: how many, how they start and stop, what they say."""

from dataclasses import dataclass
from typing import Literal

from prefork.settings import broker, checks
from prefork.settings.declaration import setting

STDOUT = "-"  # as a path: standard output


@dataclass(frozen=True, kw_only=True)
class Running:
    """Processes, hooks, development, control and logging."""

    workers: int | Literal["max"] = setting(
        1,
        section="Processes",
        check=checks.between(1, checks.MOST_WORKERS, other="max"),
        short="-w",
        help="How many workers to keep alive; max: one for each CPU this process may use.",
    )
    worker_connections: int = setting(
        10000,
        section="Processes",
        check=checks.at_least(1),
        unit="connections",
        help="How many connections one worker may have open.",
    )
    max_connections: int = setting(
        0,  # as HAProxy's maxconn of a frontend, above which connections wait in the kernel
        section="Processes",
        check=checks.at_least(0),
        unit="connections",
        help="How many connections all workers together may have open; others wait in the kernel. "
        "With the policies shared and reuseport each worker may have its share, of as many workers "
        "as --workers says. 0 is no limit.",
    )
    threads: int = setting(
        10,  # as many as uvicorn's --interface wsgi has
        section="Processes",
        check=checks.between(1, 1000),
        help="How many requests one worker gives to a WSGI application at a time, each in a thread "
        "of its own; others wait.",
    )
    start_timeout: float = setting(
        60.0,
        section="Processes",
        check=checks.seconds(above=0),
        unit="seconds",
        help="How long a template may take to import the application, a worker until it is ready, "
        "and a hook that has a process of its own.",
    )
    min_uptime: float = setting(
        1.0,
        section="Processes",
        check=checks.seconds(above=0),
        unit="seconds",
        with_reload=0.05,
        help="How long a worker must live for its start to count: one that dies sooner is replaced "
        "with growing delay, and one of a reload takes no connection before.",
    )
    reload_parallel: int | None = setting(
        None,
        section="Processes",
        check=checks.between(1, checks.MOST_WORKERS),
        unit="workers",
        unset="a quarter of the workers, at least one",
        example=2,
        help="How many workers a reload replaces at a time: so many more than usual run meanwhile, "
        "beside old ones that still have requests.",
    )
    graceful_timeout: float = setting(
        30.0,
        section="Processes",
        check=checks.seconds(),
        unit="seconds",
        with_reload=1.0,
        help="How long workers that were told to stop may finish their requests.",
    )
    bus: str = setting(
        broker.LOCAL,
        section="Processes",
        check=checks.bus,
        metavar="URL",
        shown=broker.shown,
        help="What carries the messages that workers publish: a process of this instance (local), "
        "or a broker, for several machines: redis://HOST:PORT/DATABASE, rediss:// by TLS, "
        "nats://HOST:PORT. Needs the extra for it: pip install 'prefork[redis]' or "
        "'prefork[nats]'.",
    )
    on_starting: str | None = setting(
        None,
        section="Hooks",
        check=checks.function,
        metavar="MODULE:FUNCTION",
        unset="none",
        example="hooks:on_starting",
        help="Called once before anything else is started, in a process of its own; if it fails, "
        "nothing is started.",
    )
    when_ready: str | None = setting(
        None,
        section="Hooks",
        check=checks.function,
        metavar="MODULE:FUNCTION",
        unset="none",
        example="hooks:when_ready",
        help="Called once when every worker serves for the first time, in a process of its own.",
    )
    post_fork: str | None = setting(
        None,
        section="Hooks",
        check=checks.function,
        metavar="MODULE:FUNCTION",
        unset="none",
        example="hooks:post_fork",
        help="Called in each worker before the application's startup; if it fails, the worker "
        "does not start.",
    )
    pre_stop: str | None = setting(
        None,
        section="Hooks",
        check=checks.function,
        metavar="MODULE:FUNCTION",
        unset="none",
        example="hooks:pre_stop",
        help="Called in each worker that is told to stop, before it finishes its requests.",
    )
    worker_exit: str | None = setting(
        None,
        section="Hooks",
        check=checks.function,
        metavar="MODULE:FUNCTION",
        unset="none",
        example="hooks:worker_exit",
        help="Called in each worker that has served, after the application's shutdown.",
    )
    reload: bool = setting(
        False,
        section="Development",
        check=checks.watchable,
        help="Reload when a file changes, for development. Needs the extra: pip install "
        "'prefork[reload]'.",
    )
    reload_dir: tuple[str, ...] = setting(
        (),
        section="Development",
        check=checks.directories,
        metavar="DIR",
        unset="the directory of --app-dir",
        is_path=True,
        help="A directory whose files are watched; may be repeated.",
    )
    reload_include: tuple[str, ...] = setting(
        (),
        section="Development",
        metavar="GLOB",
        unset="none",
        help="Names of files that are watched beside *.py; may be repeated.",
    )
    reload_exclude: tuple[str, ...] = setting(
        (),
        section="Development",
        metavar="GLOB",
        unset="none",
        help="Names of files and directories that are not watched, beside .git, .venv, "
        "__pycache__ and their like; may be repeated.",
    )
    name: str | None = setting(
        None,
        section="Control",
        check=checks.instance_name,
        metavar="NAME",
        short="-n",
        unset="the application's module and port",
        example="shop",
        help="What `list` and the other commands call this instance.",
    )
    control: str | None = setting(
        None,
        section="Control",
        check=checks.socket_path,
        metavar="PATH",
        unset="NAME.sock in the user's runtime directory",
        is_path=True,
        example="prefork.sock",
        help="The path of the control socket; commands then take this path, with a slash, instead "
        "of the name, and `list` shows what is in its default place only.",
    )
    ready_fd: int | None = setting(
        None,
        section="Control",
        check=checks.writable_descriptor,
        metavar="FD",
        unset="nothing is written",
        example=3,
        help="A descriptor to write a line to, and close, once every worker is ready.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info",
        section="Logging",
        help="The least important events of prefork that are still logged.",
    )
    log_format: Literal["text", "json"] = setting(
        "text",
        section="Logging",
        help="How a line of prefork's log is written.",
    )
    app_log_level: Literal["debug", "info", "warning", "error", "critical"] | None = setting(
        None,
        section="Logging",
        unset="as the application has it",
        example="info",
        help="Write what the application says through `logging`, from this level on, to the log.",
    )
    log_config: str | None = setting(
        None,
        section="Logging",
        check=checks.readable_file,
        metavar="FILE",
        unset="none",
        is_path=True,
        example="logging.json",
        help="A file with which the application's `logging` is configured before it is imported: "
        "a dictConfig as .json or .toml, or a fileConfig as .ini.",
    )
    access_log: str | None = setting(
        None,
        section="Logging",
        check=checks.log_path,
        metavar="PATH",
        unset="none",
        is_path=True,
        example="-",
        help="Write a line for each request to this file or named pipe; - is standard output.",
    )
    access_log_format: Literal["combined", "json"] = setting(
        "combined",
        section="Logging",
        help="How a line of the access log is written: as Apache and nginx do, or as JSON.",
    )
    capture_output: bool = setting(
        False,
        section="Logging",
        help="Tag what the application's processes write to standard output and standard error "
        "with who wrote it, as in [w2], and keep its lines whole.",
    )
