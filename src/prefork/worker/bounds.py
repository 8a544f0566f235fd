"""What the settings allow the clients of a worker."""

from prefork.http.limits import Limits, WebSocketLimits
from prefork.settings.schema import Settings


def most_connections(settings: Settings, workers: int) -> int:
    """How many connections this worker may have: its share of all, where it accepts itself."""
    own = settings.worker_connections
    if settings.max_connections and settings.policy in ("shared", "reuseport"):
        return min(own, max(1, settings.max_connections // workers))
    return own


def limits_of(settings: Settings) -> Limits:
    """What one connection is held to."""
    return Limits(
        request_line=settings.max_request_line,
        header_field=settings.max_header_field,
        headers_size=settings.max_headers_size,
        headers=settings.max_headers,
        body=settings.max_body,
        body_rate=settings.min_body_rate,
        concurrency=settings.limit_concurrency,
        keepalive_requests=settings.keepalive_requests,
        header_timeout=settings.header_timeout,
        keepalive_timeout=settings.keepalive_timeout,
        send_timeout=settings.send_timeout,
        request_timeout=settings.request_timeout,
        websocket=WebSocketLimits(
            message=settings.ws_max_size,
            deflate=settings.ws_per_message_deflate,
            ping_interval=settings.ws_ping_interval,
            ping_timeout=settings.ws_ping_timeout,
        ),
    )
