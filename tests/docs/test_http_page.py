"""The page about HTTP says what the conformance tests test, and the settings' defaults."""

import re

import pytest
from tests.docs.refusals import PAGE, filled, tables
from tests.http.refused import REFUSED, RULES

from prefork.settings.declaration import spelled
from prefork.settings.schema import described

FACTORS = {"KiB": 1024, "s": 1, "bytes/s": 1, "": 1}
LIMITS = PAGE.read_text().partition("## Limited")[2]
ROWS = re.findall(r"^\| .*? \| `(\w+)` \| (.*?) \|", LIMITS, re.MULTILINE)


def test_the_tables_are_those_of_the_cases() -> None:
    assert filled(PAGE.read_text()) == PAGE.read_text(), "run `make docs-generate`"


def test_every_rule_that_is_tested_has_its_line() -> None:
    assert tables()["refused"].count("\n") == 1 + len(RULES)
    assert sum(len(rule.examples) for rule in RULES) == len(REFUSED)


@pytest.mark.parametrize(("name", "told"), ROWS)
def test_the_defaults_are_those_of_the_settings(name: str, told: str) -> None:
    default = next(each.default for each in described() if each.name == name)
    number, _, unit = told.partition(",")[0].partition(" ") if "000" not in told else (told, "", "")
    expected = 0 if number == "none" else float(number.replace(",", "")) * FACTORS[unit]
    assert default == expected, spelled(default)


def test_every_setting_of_the_section_limits_is_on_the_page() -> None:
    limits = {each.name for each in described() if each.doc.section == "Limits"}
    assert limits <= {name for name, _ in ROWS}
