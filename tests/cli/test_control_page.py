from prefork.cli.control_page import control_page
from prefork.control import progress, stats
from prefork.control.meaning import meanings
from prefork.control.protocol import MAX_LINE, VERBS
from prefork.control.server import MAX_CLIENTS

PAGE = control_page()


def test_every_verb_has_its_row() -> None:
    for verb, form in VERBS.items():
        assert f"| `{verb}` | {form.takes} | {form.result} |" in PAGE


def test_every_field_has_its_row() -> None:
    for kind in (
        progress.Progress,
        stats.Stats,
        stats.Worker,
        stats.Template,
        stats.Generation,
        stats.Reload,
        stats.Totals,
        stats.Memory,
    ):
        for name, said in meanings(kind).items():
            assert f"| `{name}` | {said} |" in PAGE


def test_what_is_measured_is_told_once() -> None:
    assert PAGE.count("| `rss` |") == PAGE.count("| `cpu_percent` |") == 1


def test_the_limits_are_those_of_the_code() -> None:
    assert f"A request is at most {MAX_LINE} bytes long" in PAGE
    assert f"An instance keeps {MAX_CLIENTS}\nconnections" in PAGE
