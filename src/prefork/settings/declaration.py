"""How a setting is declared, and how the declaration is seen from outside."""

from collections.abc import Callable
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
    short: str = ""  # a second, short option, where gunicorn's users know one
    with_reload: Any = None  # the default under --reload, where that is another
    is_path: bool = False  # relative to the file that gives it
    example: Any = None  # what `init` writes where the default is nothing that can be written
    shown: Callable[[Any], str] | None = None  # spells it without what is secret in it


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

    @property
    def is_flag(self) -> bool:
        """Whether it is typed without a value."""
        return self.type is bool

    @property
    def options(self) -> tuple[str, ...]:
        """What is typed for it: the label, what negates it, the short form."""
        negated = (f"--no-{self.label[2:]}",) if self.is_flag else ()
        return (*negated, self.label, *((self.doc.short,) if self.doc.short else ()))

    @property
    def form(self) -> str:
        """How it is typed, as the help says it."""
        if self.is_positional:
            return self.label
        short = f"{self.doc.short}, " if self.doc.short else ""
        return short + (self.label if self.is_flag else f"{self.label} {self.metavar}")

    def wrong(self, value: object) -> str | None:
        """What is wrong with *value*: of words alone the type says which, else the check does."""
        if value is None and self.default is None:
            return None
        words = () if kinds(self.type) else choices(self.type)
        return checks.one_of(*words)(value) if words else self.doc.check(value)

    @property
    def default_text(self) -> str:
        """The default with its unit, or what it means that there is none."""
        if self.default is None:
            return self.doc.unset
        said = spelled(self.default) or self.doc.unset
        if self.doc.with_reload is not None:
            said += f" {self.doc.unit}; with --reload {spelled(self.doc.with_reload)}"
        return f"{said} {self.doc.unit}".strip()


def spelled(value: object) -> str:
    """A value as it is typed; several separated by spaces."""
    values = value if isinstance(value, tuple) else (value,)
    return " ".join(_word(each) for each in values)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return checks.number(value) if isinstance(value, float) else str(value)
