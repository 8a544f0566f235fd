"""Settings of what is served, where, and within which limits."""

from dataclasses import dataclass
from typing import Literal

from prefork.settings import checks
from prefork.settings.declaration import setting


@dataclass(frozen=True, kw_only=True)
class Serving:
    """The application, its addresses, and what a client may do."""

    app: str = setting(
        section="Application",
        check=checks.application,
        example="main:app",
        help="The application, as MODULE:ATTRIBUTE or MODULE:FACTORY().",
    )
    app_dir: str = setting(
        ".",
        section="Application",
        check=checks.directory,
        metavar="DIR",
        is_path=True,
        help="The directory that modules of the application are imported from.",
    )
    interface: Literal["auto", "asgi", "wsgi", "handler"] = setting(
        "auto",
        section="Application",
        help="How the application is called: as ASGI 3, as WSGI, or as `async def "
        "handler(request)`.",
    )
    preload: Literal["auto", "on", "off"] = setting(
        "auto",
        section="Application",
        help="Import the application once and fork workers from it; auto: unless the import "
        "leaves threads, sockets or a running loop.",
    )
    root_path: str = setting(
        "",
        section="Application",
        check=checks.root_path,
        metavar="PATH",
        unset="none",
        help="The path below which a proxy in front offers the application, and which it takes "
        "away: ASGI's root_path.",
    )
    env_file: str | None = setting(
        None,
        section="Application",
        check=checks.readable_file,
        metavar="FILE",
        unset="none",
        is_path=True,
        example=".env",
        help="A file of NAME=VALUE lines that are added to the environment, where that does not "
        "have them already.",
    )
    bind: tuple[str, ...] = setting(
        ("127.0.0.1:8000",),
        section="Network",
        check=checks.addresses,
        metavar="ADDRESS",
        short="-b",
        help="An address to listen on: HOST:PORT, [IPV6]:PORT, unix:PATH, or fd://N for a "
        "listening socket that prefork is started with; may be repeated. Sockets that systemd "
        "passes take the default's place.",
    )
    policy: Literal["rr", "least", "hash", "shared", "reuseport"] = setting(
        "rr",
        section="Network",
        help="Who gets a connection: each worker in turn (rr), the one with the fewest (least), "
        "always the same for a client's address (hash), whichever accepts it first (shared), or "
        "one that the kernel chooses at random among those that take what comes (reuseport).",
    )
    backlog: int = setting(
        2048,
        section="Network",
        check=checks.at_least(1),
        unit="connections",
        help="How many connections the kernel may queue on each address.",
    )
    socket_mode: str | None = setting(
        None,
        section="Network",
        check=checks.file_mode,
        metavar="MODE",
        unset="what the umask leaves",
        example="660",
        help="The mode of the files of unix: addresses, in octal; who may write may connect.",
    )
    forwarded_allow_ips: tuple[str, ...] = setting(
        ("127.0.0.1", "::1", "unix"),
        section="Network",
        check=checks.peers,
        metavar="PEER",
        help="A proxy that is believed when it says who the client is and which scheme it used: an "
        "address, a network as 10.0.0.0/8, unix for peers of Unix sockets, * for everybody, or "
        "none; may be repeated.",
    )
    forwarded_headers: Literal["x-forwarded", "forwarded"] = setting(
        "x-forwarded",
        section="Network",
        help="In which headers it says so: X-Forwarded-For and X-Forwarded-Proto, or Forwarded "
        "(RFC 7239). The others are not read, as a proxy passes on what a client wrote there.",
    )
    proxy_protocol_allow_ips: tuple[str, ...] = setting(
        (),
        section="Network",
        check=checks.peers,
        metavar="PEER",
        unset="none: it is not spoken",
        help="A proxy whose connections begin with a header of the PROXY protocol, version 1 or 2; "
        "connections of all others are closed. Written as in --forwarded-allow-ips; may be "
        "repeated.",
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
    send_timeout: float = setting(
        60.0,  # as nginx's send_timeout
        section="Limits",
        check=checks.seconds(above=0),
        unit="seconds",
        help="How long a client may take nothing of an answer that waits for it.",
    )
    request_timeout: float = setting(
        0.0,  # uWSGI's harakiri is off too: nobody but the application knows what takes long
        section="Limits",
        check=checks.seconds(),
        unit="seconds",
        help="How long a request may take until its answer is complete; then it is cancelled, "
        "answered by 504 or cut, and logged with what it was doing. 0 is no limit.",
    )
    keepalive_requests: int = setting(
        0,  # nginx closes after 1000; Node's maxRequestsPerSocket is 0: each costs a new handshake
        section="Limits",
        check=checks.at_least(0),
        unit="requests",
        help="How many requests a connection may have; the answer to the last one closes it, and "
        "the next connection may get another worker. 0 is no limit.",
    )
    limit_concurrency: int = setting(
        0,  # as in uvicorn, which counts connections too
        section="Limits",
        check=checks.at_least(0),
        unit="requests",
        help="How many requests one worker may be answering at a time; others are answered by 503 "
        "with Retry-After. 0 is no limit.",
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
        help="The most bytes of header fields in one request; also of a chunked body's trailers, "
        "and of its chunk extensions.",
    )
    max_headers: int = setting(
        128,
        section="Limits",
        check=checks.at_least(1),
        unit="fields",
        help="The most header fields in one request; also the most trailers.",
    )
    max_body: int = setting(
        0,
        section="Limits",
        check=checks.at_least(0),
        unit="bytes",
        help="The largest body of a request; 0 is no limit.",
    )
    min_body_rate: int = setting(
        240,  # with 5 s for the first bytes, as Kestrel's MinRequestBodyDataRate
        section="Limits",
        check=checks.at_least(0),
        unit="bytes/s",
        help="How fast a body must arrive while the application waits for it, after 5 s of grace; "
        "else the answer is 408. What came before buys up to 60 s of silence. 0 is no limit.",
    )
    ws_max_size: int = setting(
        16777216,
        section="WebSocket",
        check=checks.at_least(1),
        unit="bytes",
        help="The largest message that a WebSocket's client may send, inflated.",
    )
    ws_per_message_deflate: bool = setting(
        True,
        section="WebSocket",
        help="Agree to compressed messages where a client offers them.",
    )
    ws_ping_interval: float = setting(
        20.0,
        section="WebSocket",
        check=checks.seconds(),
        unit="seconds",
        help="How often a WebSocket's client is asked whether it is there; 0: never.",
    )
    ws_ping_timeout: float = setting(
        20.0,
        section="WebSocket",
        check=checks.seconds(above=0),
        unit="seconds",
        help="How long it may take to answer that, before the connection is closed.",
    )
