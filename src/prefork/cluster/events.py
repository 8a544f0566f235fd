"""Handlers of the primary's events: who is called for what, and what becomes of one that fails."""

import inspect
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, overload

from prefork import log

ANSWERED = "request"  # the event whose handler's return value is of use: there is one handler
SLOW = 0.1  # seconds that a handler may take: nothing else happens in the primary meanwhile

Handler = Callable[..., Any]
Registered = TypeVar("Registered", bound=Handler)


@dataclass(frozen=True, slots=True, eq=False)
class _Listener:
    handler: Handler
    arguments: int | None  # how many it takes; None: as many as there are
    is_once: bool

    def __call__(self, *arguments: object) -> Any:
        return self.handler(*arguments[: self.arguments])


class Emitter:
    """Calls handlers by the name of an event, in the order in which they were added.

    One that raises is logged, and so is one that takes over 100 ms; the others are called all the
    same. SystemExit ends the program.
    """

    def __init__(
        self, events: dict[str, int], failed: Callable[[Exception], object] = lambda _: None
    ) -> None:
        """*events*: how many arguments each comes with. *failed*: is told what a handler raises,
        after the handlers of "error"."""
        self._failed = failed
        self._events = events
        self._listeners: defaultdict[str, list[_Listener]] = defaultdict(list)

    @overload
    def on(self, event: str, handler: Registered, *, is_once: bool = ...) -> Registered: ...
    @overload
    def on(
        self, event: str, handler: None, *, is_once: bool = ...
    ) -> Callable[[Registered], Registered]: ...
    def on(self, event: str, handler: Handler | None, *, is_once: bool = False) -> Any:
        """Add a handler; without one give a decorator that does.

        One that takes fewer arguments than there are gets the first of them.

        Raises ValueError for an event that doesn't exist, or that is answered by another handler,
        TypeError for what can't be called here.
        """
        self._require(event)
        if handler is None:
            return partial(self.on, event, is_once=is_once)
        if event == ANSWERED and self._listeners[event]:
            raise ValueError(f"there is a handler of {event!r} already, and one is to answer")
        taken = _taken(handler, self._events[event])
        self._listeners[event].append(_Listener(handler, taken, is_once))
        return handler

    def off(self, event: str, handler: Handler) -> None:
        """Remove a handler, where it is there: the one that was added last.

        Raises ValueError for an event that doesn't exist.
        """
        self._require(event)
        for each in reversed(self._listeners[event]):
            if each.handler == handler:
                self._listeners[event].remove(each)
                return

    def _require(self, event: str) -> None:
        if event not in self._events:
            raise ValueError(f"no such event {event!r}: there are {', '.join(self._events)}")

    def has(self, event: str) -> bool:
        return bool(self._listeners[event])

    def gives_all(self, event: str) -> bool:
        """Whether some handler gets the last argument too."""
        taken = (each.arguments for each in self._listeners[event])
        return any(each in (None, self._events[event]) for each in taken)

    def emit(self, event: str, *arguments: object) -> None:
        """Call all handlers of the event."""
        for listener in list(self._listeners[event]):
            if listener.is_once:
                if listener not in self._listeners[event]:
                    continue  # one that was called before it has removed it
                self._listeners[event].remove(listener)
            self._call(event, listener, *arguments)

    def call(self, event: str, handler: Handler, *arguments: object) -> None:
        """Call one that is no listener, with the same care."""
        self._call(event, _Listener(handler, None, is_once=True), *arguments)

    def ask(self, event: str, *arguments: object) -> Any:
        """Call the one handler, and return what it returns. Raises what it raises, too."""
        [listener] = self._listeners[event]
        if listener.is_once:
            self._listeners[event].clear()
        answers: list[Any] = []
        error = self._call(event, listener, *arguments, keep=answers.append)
        if error is not None:
            raise error
        return answers[0]

    def _call(
        self,
        event: str,
        listener: _Listener,
        *arguments: object,
        keep: Callable[[Any], object] = lambda _: None,
    ) -> Exception | None:
        began = time.monotonic()
        try:
            keep(listener(*arguments))
        except Exception as error:  # noqa: BLE001 - it is the user's code
            log.error(
                "handler_failed",
                on=event,
                handler=_name(listener.handler),
                reason=repr(error),
                detail=_own_traceback(error),
            )
            if event != "error":
                self.emit("error", error)
                self._failed(error)
            return error
        finally:
            _tell_slow(event, listener.handler, began)
        return None


def _tell_slow(event: str, handler: Handler, began: float) -> None:
    took = time.monotonic() - began
    if took > SLOW:
        log.warning("handler_blocked", on=event, handler=_name(handler), seconds=took)


def require_plain(handler: Handler) -> None:
    """Raise TypeError for what can't be called, or would have to be awaited."""
    if not callable(handler):
        raise TypeError(f"a handler must be callable, not {type(handler).__name__}")
    if any(map(inspect.iscoroutinefunction, (handler, type(handler).__call__))):
        raise TypeError(
            f"{_name(handler)} is async: the primary has no event loop; write a plain `def`"
        )


def _taken(handler: Handler, given: int) -> int | None:
    """How many of *given* positional arguments it takes; None: all. Raises TypeError."""
    require_plain(handler)
    try:
        parameters = list(inspect.signature(handler).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    plain = [each for each in parameters if each.kind in positional]
    if sum(each.default is each.empty for each in plain) > given:
        raise TypeError(f"{_name(handler)} takes more arguments than the {given} that there are")
    return min(given, len(plain))


def _own_traceback(error: Exception) -> str:
    """The traceback from the handler on: our frames say nothing to its author."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def _name(handler: Handler) -> str:
    module, name = getattr(handler, "__module__", ""), getattr(handler, "__qualname__", "")
    return f"{module}.{name}" if name else repr(handler)
