import pytest

from prefork.errors import SettingsError
from prefork.settings.schema import described
from prefork.settings.sources import from_call, from_command_line, from_environment, merge


def problem(
    environment: dict[str, str], command_line: dict[str, str | tuple[str, ...] | None]
) -> str:
    with pytest.raises(SettingsError) as caught:
        merge(from_environment(environment), from_command_line(command_line)).settings()
    return str(caught.value)


def test_the_command_line_wins_over_the_environment_over_the_default() -> None:
    environment = from_environment({"PREFORK_WORKERS": "3", "PREFORK_POLICY": "shared"})
    settings = merge(environment, from_command_line({"app": "a:b", "workers": "5"})).settings()
    assert (settings.workers, settings.policy, settings.backlog) == (5, "shared", 2048)


def test_every_type_is_read_from_text() -> None:
    settings = merge(
        from_command_line(
            {
                "app": "a:b",
                "workers": "max",
                "bind": ("a:1", "unix:/x, y"),
                "graceful_timeout": "1.5",
                "max_body": "1000",
                "name": "web",
                "interface": "asgi",
            }
        )
    ).settings()
    assert settings.workers == "max"
    assert settings.bind == ("a:1", "unix:/x, y")
    assert settings.graceful_timeout == 1.5
    assert settings.max_body == 1000
    assert settings.name == "web"
    assert settings.interface == "asgi"


def test_a_variable_holds_several_addresses() -> None:
    variables = {"PREFORK_APP": "a:b", "PREFORK_BIND": "a:1, b:2 c:3"}
    settings = merge(from_environment(variables)).settings()
    assert settings.bind == ("a:1", "b:2", "c:3")


def test_what_was_not_given_and_empty_variables_leave_the_default() -> None:
    settings = merge(
        from_environment({"PREFORK_WORKERS": "", "PREFORK_PORT": "tcp://10.0.0.1:80"}),
        from_command_line({"app": "a:b", "workers": None, "bind": ()}),
    ).settings()
    assert settings.workers == 1
    assert settings.bind == ("127.0.0.1:8000",)


def test_a_name_that_other_pools_have_for_it_is_answered_by_ours() -> None:
    with pytest.raises(SettingsError, match=r"no such setting: pool_max \(did you mean 'pool'\?\)"):
        from_call({"pool_max": 2})


def test_a_missing_application_is_told_with_both_ways_to_give_it() -> None:
    assert problem({}, {}) == "APP must be given, or PREFORK_APP set, or app in prefork.toml"


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("workers", "two", "--workers must be a whole number, or max (got two)"),
        ("workers", "1.5", "--workers must be a whole number, or max (got 1.5)"),
        ("workers", "-1", "--workers must be from 1 to 1024, or max (got -1)"),
        ("backlog", "1_000", "--backlog must be a whole number (got 1_000)"),
        ("backlog", "\u0661", "--backlog must be a whole number"),
        ("backlog", "9" * 5000, "--backlog must be a whole number"),
        ("graceful_timeout", "soon", "--graceful-timeout must be a number (got soon)"),
        ("graceful_timeout", "inf", "--graceful-timeout must be a number (got inf)"),
        ("ready_fd", "x", "--ready-fd must be a whole number (got x)"),
        ("policy", "", "--policy must be rr, least, hash, shared or reuseport (got '')"),
    ],
)
def test_text_that_is_no_value_is_refused(option: str, text: str, message: str) -> None:
    assert problem({}, {"app": "a:b", option: text}).startswith(message)


def test_problems_of_all_sources_are_told_at_once_under_the_name_used_there() -> None:
    text = problem({"PREFORK_WORKERS": "0", "PREFORK_BACKLOG": "x"}, {"policy": "best"})
    assert sorted(part.split()[0] for part in text.split("; ")) == [
        "--policy",
        "APP",
        "PREFORK_BACKLOG",
        "PREFORK_WORKERS",
    ]


def test_the_help_says_how_to_type_each_type() -> None:
    forms = {each.name: each.metavar for each in described()}
    assert forms["workers"] == "N|max"
    assert forms["graceful_timeout"] == "SECONDS"
    assert forms["policy"] == "rr|least|hash|shared|reuseport"
    assert forms["bind"] == "ADDRESS"
