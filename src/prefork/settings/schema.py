"""Every setting, declared once.

The command line, the environment, the checks and the reference page are all made from the fields
below; a value that is wrong is named there and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Literal

from prefork.errors import SettingsError
from prefork.settings import checks
from prefork.settings.declaration import Described, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `prefork serve` was asked for. Raises SettingsError that names every problem at once."""

    app: str = setting(
        section="Application",
        check=checks.application,
        help="The application, as MODULE:ATTRIBUTE or MODULE:FACTORY().",
    )
    app_dir: str = setting(
        ".",
        section="Application",
        check=checks.directory,
        metavar="DIR",
        help="The directory that modules of the application are imported from.",
    )
    interface: Literal["auto", "asgi", "handler"] = setting(
        "auto",
        section="Application",
        help="How the application is called: as ASGI 3, or as `async def handler(request)`.",
    )
    preload: Literal["auto", "on", "off"] = setting(
        "auto",
        section="Application",
        help="Import the application once and fork workers from it; auto: unless the import "
        "leaves threads, sockets or a running loop.",
    )
    bind: tuple[str, ...] = setting(
        ("127.0.0.1:8000",),
        section="Network",
        check=checks.addresses,
        metavar="ADDRESS",
        help="An address to listen on: HOST:PORT, [IPV6]:PORT or unix:PATH; may be repeated.",
    )
    policy: Literal["rr", "least", "hash", "shared", "reuseport"] = setting(
        "rr",
        section="Network",
        help="Who gets a connection: each worker in turn (rr), the one with the fewest (least), "
        "always the same for a client's address (hash), whichever accepts it first (shared), or "
        "the one that the kernel chooses by a hash of the connection (reuseport).",
    )
    backlog: int = setting(
        2048,
        section="Network",
        check=checks.at_least(1),
        unit="connections",
        help="How many connections the kernel may queue on each address.",
    )
    workers: int | Literal["max"] = setting(
        1,
        section="Processes",
        check=checks.between(1, checks.MOST_WORKERS, other="max"),
        help="How many workers to keep alive; max: one for each CPU this process may use.",
    )
    worker_connections: int = setting(
        10000,
        section="Processes",
        check=checks.at_least(1),
        unit="connections",
        help="How many connections one worker may have open.",
    )
    start_timeout: float = setting(
        60.0,
        section="Processes",
        check=checks.seconds(above=0),
        unit="seconds",
        help="How long a template may take to import the application, "
        "and a worker until it is ready.",
    )
    min_uptime: float = setting(
        1.0,
        section="Processes",
        check=checks.seconds(above=0),
        unit="seconds",
        help="How long a worker must live for its start to count: one that dies sooner is replaced "
        "with growing delay, and one of a reload takes no connection before.",
    )
    reload_parallel: int | None = setting(
        None,
        section="Processes",
        check=checks.between(1, checks.MOST_WORKERS),
        unit="workers",
        unset="a quarter of the workers, at least one",
        help="How many workers a reload replaces at a time: so many more than usual run meanwhile, "
        "beside old ones that still have requests.",
    )
    graceful_timeout: float = setting(
        30.0,
        section="Processes",
        check=checks.seconds(),
        unit="seconds",
        help="How long workers that were told to stop may finish their requests.",
    )
    name: str | None = setting(
        None,
        section="Control",
        check=checks.instance_name,
        metavar="NAME",
        unset="the application's module and port",
        help="What `list` and the other commands call this instance.",
    )
    control: str | None = setting(
        None,
        section="Control",
        check=checks.socket_path,
        metavar="PATH",
        unset="NAME.sock in the user's runtime directory",
        help="The path of the control socket; commands then take this path, with a slash, instead "
        "of the name, and `list` shows what is in its default place only.",
    )
    ready_fd: int | None = setting(
        None,
        section="Control",
        check=checks.writable_descriptor,
        metavar="FD",
        unset="nothing is written",
        help="A descriptor to write a line to, and close, once every worker is ready.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info",
        section="Logging",
        help="The least important events that are still logged.",
    )
    log_format: Literal["text", "json"] = setting(
        "text",
        section="Logging",
        help="How a line of the log is written.",
    )
    header_timeout: float = setting(
        15.0,
        section="Limits",
        check=checks.seconds(above=0),
        unit="seconds",
        help="How long a client may take to send the head of a request.",
    )
    keepalive_timeout: float = setting(
        75.0,
        section="Limits",
        check=checks.seconds(),
        unit="seconds",
        help="How long a connection may stay idle between requests.",
    )
    max_request_line: int = setting(
        8192,
        section="Limits",
        check=checks.at_least(64),
        unit="bytes",
        help="The longest request line.",
    )
    max_header_field: int = setting(
        16384,
        section="Limits",
        check=checks.at_least(64),
        unit="bytes",
        help="The longest single header field.",
    )
    max_headers_size: int = setting(
        65536,
        section="Limits",
        check=checks.at_least(64),
        unit="bytes",
        help="The most bytes of header fields in one request.",
    )
    max_headers: int = setting(
        128,
        section="Limits",
        check=checks.at_least(1),
        unit="fields",
        help="The most header fields in one request.",
    )
    max_body: int = setting(
        0,
        section="Limits",
        check=checks.at_least(0),
        unit="bytes",
        help="The largest body of a request; 0 is no limit.",
    )

    def __post_init__(self) -> None:
        wrong = problems(asdict(self))
        if wrong:
            raise SettingsError("; ".join(wrong))


@cache
def described() -> tuple[Described, ...]:
    """Give every setting in the order of declaration."""
    return tuple(Described(f.name, f.type, f.default, f.metadata["doc"]) for f in fields(Settings))


def problems(values: Mapping[str, object], labels: Mapping[str, str] | None = None) -> list[str]:
    """Say what is wrong with *values*; *labels* says under which name each was given."""
    wrong = []
    for each in described():
        verdict = each.wrong(values[each.name]) if each.name in values else None
        if verdict:
            wrong.append(f"{(labels or {}).get(each.name, each.label)} {verdict}")
    return wrong
