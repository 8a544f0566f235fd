"""How an application asks for more time for the request that it is at."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from prefork.worker.application import Kind
from prefork.worker.cycle import Cycle

# Set only where requests have a limit: elsewhere no request pays for it.
CURRENT: ContextVar[Cycle] = ContextVar("prefork.request")


def extend_timeout(seconds: float) -> None:
    """Give the request that is being answered at least so many seconds from now on.

    It never takes any away. Where requests have no limit (the setting `request_timeout`), or none
    is being answered, it does nothing, so that code which calls it runs anywhere.
    """
    if cycle := CURRENT.get(None):
        cycle.extend(seconds)


def aware(call: Callable[..., Any], kind: Kind) -> Callable[..., Any]:
    """Have what *call* does find its request. It runs in the request's own context."""

    def asgi(scope: Any, receive: Any, send: Any) -> Any:
        CURRENT.set(receive.__self__)
        return call(scope, receive, send)

    def wsgi(environ: Any, start_response: Any) -> Any:
        CURRENT.set(start_response.__self__)
        return call(environ, start_response)

    def handler(request: Any) -> Any:
        CURRENT.set(request)
        return call(request)

    found: dict[Kind, Callable[..., Any]] = {"asgi": asgi, "wsgi": wsgi, "handler": handler}
    return found[kind]
