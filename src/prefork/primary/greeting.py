"""The block that a start prints: what is served where, by whom, and why so."""

from dataclasses import dataclass
from enum import Enum

from prefork import __version__
from prefork.log import escape
from prefork.wire.estate import Estate

INDENT = "  "


class Style(Enum):
    """How a terminal is told to show the title and the labels: before, and after."""

    PLAIN = "", "", ""
    COLOUR = "\x1b[1;32m", "\x1b[2m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Greeting:
    """*interface*: of the application; *preload*: whether it was imported once, and why."""

    estate: Estate
    interface: str
    preload: str
    is_scripted: bool = False  # a script says how many workers there are

    def lines(self, style: Style) -> list[str]:
        """Without newlines; what comes from outside is escaped."""
        title, label, end = style.value
        rows = [(name, escape(text)) for name, text in self._rows()]
        width = max(len(name) for name, _ in rows)
        heading = f"prefork {__version__} serves {escape(self.estate.settings.app)}"
        return [
            f"{title}{heading}{end}",
            *(f"{INDENT}{label}{name.ljust(width)}{end}  {text}" for name, text in rows),
        ]

    def _rows(self) -> list[tuple[str, str]]:
        settings = self.estate.settings
        rows = [("address", self._link(each)) for each in self.estate.bind]
        rows.append(("workers", f"{self._workers()}; policy {settings.policy}"))
        if self.estate.pool and not self.is_scripted:
            rows.append(("pool", _number(self.estate.pool, settings.pool)))
        if self.interface:  # else nobody serves yet
            rows.append(("interface", self._interface()))
        rows.append(("preload", self.preload))
        if settings.reload:
            rows.append(("reload", "when a file changes"))
        rows.append(("control", f"prefork status {self._name()} (or reload, stop); Ctrl-C stops"))
        return rows

    def _workers(self) -> str:
        if self.is_scripted:
            return "as the script forks them"
        return _number(self.estate.workers, self.estate.settings.workers)

    def _interface(self) -> str:
        how = "found" if self.estate.settings.interface == "auto" else "--interface"
        return f"{self.interface} ({how})"

    def _name(self) -> str:
        return self.estate.settings.control or self.estate.name

    def _link(self, address: str) -> str:
        """What a terminal lets its user click, where it is one."""
        scheme = "https" if self.estate.settings.certfile else "http"
        is_path = address.startswith("unix:")  # not parsed: a script's may be longer than one typed
        return address if is_path else f"{scheme}://{address}"


def _number(resolved: int, wanted: int | str) -> str:
    why = " (max: every CPU that this process may use)" if wanted == "max" else ""
    return f"{resolved}{why}"
