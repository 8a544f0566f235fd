"""How a setting is declared, and how the declaration is seen from outside."""

from dataclasses import MISSING, dataclass, field
from typing import Any

from prefork.settings import checks
from prefork.settings.parsing import choices, kinds, metavar


@dataclass(frozen=True, slots=True)
class Doc:
    """What a setting is, beyond its name, type and default."""

    section: str
    help: str
    check: checks.Check = checks.anything
    unit: str = ""
    unset: str = ""  # what a default of None means
    metavar: str = ""  # what stands for the value in the help, where the type says too little


def setting(default: Any = MISSING, **doc: Any) -> Any:
    return field(default=default, metadata={"doc": Doc(**doc)})


@dataclass(frozen=True, slots=True)
class Described:
    """One setting as the command line, the environment and the documentation see it."""

    name: str
    type: Any
    default: Any  # MISSING: it must be given
    doc: Doc

    @property
    def is_positional(self) -> bool:
        return self.default is MISSING

    @property
    def label(self) -> str:
        """What the setting is called on the command line."""
        return self.name.upper() if self.is_positional else "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return f"PREFORK_{self.name.upper()}"

    @property
    def metavar(self) -> str:
        return self.doc.metavar or metavar(self.type, self.doc.unit)

    def wrong(self, value: object) -> str | None:
        """What is wrong with *value*: of words alone the type says which, else the check does."""
        words = () if kinds(self.type) else choices(self.type)
        return checks.one_of(*words)(value) if words else self.doc.check(value)

    @property
    def default_text(self) -> str:
        """The default with its unit, or what it means that there is none."""
        if self.default is None:
            return self.doc.unset
        values = self.default if isinstance(self.default, tuple) else (self.default,)
        words = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
        return f"{' '.join(words)} {self.doc.unit}".strip()
