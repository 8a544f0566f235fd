"""Every setting, declared once: `serving`, `encryption`, `running`, `supervision`, `pooling`.

The command line, the environment, the file, the checks and the reference page are all made from
the fields of `Settings`; a value that is wrong is named there and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any

from prefork.errors import SettingsError
from prefork.settings.declaration import Described
from prefork.settings.encryption import Encryption
from prefork.settings.pooling import Pooling, contradictions
from prefork.settings.running import Running
from prefork.settings.serving import Serving
from prefork.settings.supervision import Supervision


@dataclass(frozen=True, kw_only=True)
class Settings(Pooling, Supervision, Running, Encryption, Serving):
    """What `prefork serve` was asked for. Raises SettingsError that names every problem at once."""

    def __post_init__(self) -> None:
        wrong = problems(asdict(self))
        if wrong:
            raise SettingsError("; ".join(wrong))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Settings":
        """Take what another process of ours has checked, maybe in another directory."""
        made = object.__new__(cls)
        given = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        vars(made).update(given)
        return made


@cache
def described() -> tuple[Described, ...]:
    """Give every setting, those of one section side by side, in the order of declaration."""
    every = [Described(f.name, f.type, f.default, f.metadata["doc"]) for f in fields(Settings)]
    return tuple(sorted(every, key=lambda each: SECTIONS.index(each.doc.section)))


def problems(values: Mapping[str, object], labels: Mapping[str, str] | None = None) -> list[str]:
    """Say what is wrong with *values*; *labels* says under which name each was given."""
    labels = labels or {}
    wrong = []
    for each in described():
        verdict = each.wrong(values[each.name]) if each.name in values else None
        if verdict:
            wrong.append(f"{labels.get(each.name, each.label)} {verdict}")
    return wrong + list(contradictions(values, labels))


SECTIONS = (  # as the help and the pages have them
    "Application",
    "Network",
    "TLS",
    "Processes",
    "Pool",
    "Development",
    "Logging",
    "Hooks",
    "Control",
    "Limits",
    "WebSocket",
)
