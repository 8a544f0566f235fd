import json

from prefork.cli.editor_schema import editor_schema
from prefork.cli.pages import (
    exit_codes_page,
    schema_file,
    settings_page,
    signals_page,
    states_page,
)
from prefork.core.process import TRANSITIONS, Phase
from prefork.errors import ExitCode
from prefork.primary.signals import REQUESTS
from prefork.settings.schema import described


def test_every_setting_has_its_flag_variable_and_default() -> None:
    page = settings_page()
    for each in described():
        assert f"### `{each.name}`" in page
        assert each.variable in page
        assert each.label in page
    assert "`-w, --workers N|max` · `PREFORK_WORKERS` · default: 1" in page
    assert "`APP` · `PREFORK_APP` · required" in page
    assert "default: 30 seconds" in page


def test_every_exit_code_has_its_row() -> None:
    for code in ExitCode:
        assert f"| {code.value} | {code.name} | {code.meaning} |" in exit_codes_page()


def test_every_state_and_transition_is_shown() -> None:
    page = states_page()
    for phase in Phase:
        assert f"| `{phase.value}` | {phase.meaning} |" in page
    assert "    starting --> ready: ready" in page
    assert page.count(" --> ") == len(TRANSITIONS)


def test_every_signal_has_its_row() -> None:
    page = signals_page()
    for number, (_, meaning) in REQUESTS.items():
        assert f"| `{number.name}` | {meaning} |" in page
    assert "| `SIGHUP` | reload" in page


def test_the_schema_is_what_the_command_prints() -> None:
    assert json.loads(schema_file()) == editor_schema()
    assert schema_file().endswith("}\n")
