"""Requests that took longer than they may, and those of them that go on all the same."""

from typing import Protocol

from prefork import log

HEEDING = 1.0  # seconds in which whoever was cancelled has to have ended, or is told of


class Request(Protocol):
    """A request, as far as it must be known here."""

    method: str
    path: str

    @property
    def is_running(self) -> bool: ...
    def where(self) -> str: ...


class Late:
    """One of them."""

    __slots__ = ("is_told", "request", "since", "started")

    def __init__(self, request: Request, started: float, since: float) -> None:
        self.request = request
        self.started = started
        self.since = since  # when its client was told
        self.is_told = False  # that it goes on

    def said(self, now: float) -> dict[str, object]:
        request = self.request
        return {"method": request.method, "path": request.path, "seconds": now - self.started}


class Overtime:
    """Call `note` before a request is ended, and `tick` twice a second."""

    def __init__(self) -> None:
        self._late: list[Late] = []
        self.threads = 0  # that WSGI applications are called in; 0: they aren't

    def note(self, request: Request, started: float, now: float) -> None:
        """Tell of a request whose time is over, and of what it was doing."""
        late = Late(request, started, now)
        self._late.append(late)
        log.error("request_timed_out", **late.said(now), detail=request.where())

    def tick(self, now: float) -> None:
        """Tell of those that don't end, once, and when they do."""
        if not self._late:
            return
        for late in self._late:
            if not late.request.is_running:
                if late.is_told:
                    log.info("request_ended_late", **late.said(now))
            elif not late.is_told and now >= late.since + HEEDING:
                late.is_told = True
                lost = {"threads_lost": self._lost(), "threads": self.threads}
                more = lost if self.threads else {}
                log.error("request_goes_on", **late.said(now), **more, detail=late.request.where())
        self._late = [late for late in self._late if late.request.is_running]

    def _lost(self) -> int:
        """How many threads don't come back, and have been told of."""
        return sum(late.is_told and late.request.is_running for late in self._late)
