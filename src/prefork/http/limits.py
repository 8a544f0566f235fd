"""How much of a request is taken before it is refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketLimits:
    """What a WebSocket may send, and how its presence is asked for."""

    message: int  # inflated
    deflate: bool  # permessage-deflate is agreed to
    ping_interval: float  # 0: it is not asked
    ping_timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, times in seconds; the defaults and their precedents are in the settings."""

    request_line: int
    header_field: int
    headers_size: int
    headers: int  # how many header lines
    body: int  # 0: unlimited
    body_rate: int  # bytes per second; 0: any
    concurrency: int  # requests in flight, of one worker; 0: unlimited
    keepalive_requests: int  # of one connection; 0: unlimited
    header_timeout: float
    keepalive_timeout: float
    send_timeout: float
    request_timeout: float  # 0: a request may take any time
    websocket: WebSocketLimits
