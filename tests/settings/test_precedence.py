"""For every setting: the file, an env file, the environment and the flag, each over the last."""

import os
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from tests.settings.samples import NoSampleError, samples

from prefork.cli.serve import command
from prefork.cli.starter import toml
from prefork.settings.declaration import Described, setting, spelled
from prefork.settings.pooling import KEYS, POOL
from prefork.settings.resolution import Resolution, resolve
from prefork.settings.schema import described

EVERY = described()
FILE, PROFILE, ENV_FILE, ENVIRONMENT, FLAG = "file", "profile", "env file", "environment", "flag"
ORDER = (FILE, PROFILE, ENV_FILE, ENVIRONMENT, FLAG)  # each wins over those before it


@pytest.fixture
def descriptors() -> Iterator[list[int]]:
    opened = [os.open(os.devnull, os.O_WRONLY) for _ in range(3)]
    yield opened
    for each in opened:
        os.close(each)


@pytest.fixture(params=EVERY, ids=lambda each: each.name)
def each(request: pytest.FixtureRequest) -> Described:
    found: Described = request.param
    return found


@pytest.fixture
def values(each: Described, tmp_path: Path, descriptors: list[int]) -> list[Any]:
    place = tmp_path / "samples"
    place.mkdir()
    return samples(each, place, descriptors)


def asked(each: Described, said: Mapping[str, Any], place: Path) -> Resolution:
    """Let each source say its value of the setting, through all that reads it in earnest."""
    written = ['app = "base:app"'] if each.name != "app" else []
    written += ['pool = "max"'] if each.name in KEYS.values() and each.name != POOL else []
    written += [f"{each.name} = {toml(said[FILE])}"] if FILE in said else []
    written += ["[profile.p]"]
    written += [f"{each.name} = {toml(said[PROFILE])}"] if PROFILE in said else []
    (place / "prefork.toml").write_text("\n".join(written))
    arguments = ["--profile", "p"] + (flag(each, said[FLAG]) if FLAG in said else [])
    if ENV_FILE in said:
        (place / "given.env").write_text(f"{each.variable}='{spelled(said[ENV_FILE])}'\n")
        arguments += ["--env-file", str(place / "given.env")]
    real = {each.variable: spelled(said[ENVIRONMENT])} if ENVIRONMENT in said else {}
    with command.make_context("serve", arguments) as context:
        return resolve(context.params, real, place)


def flag(each: Described, value: Any) -> list[str]:
    if each.is_positional:
        return [str(value)]
    if each.is_flag:
        return [each.label if value else f"--no-{each.label[2:]}"]
    several = value if isinstance(value, tuple) else (value,)
    return [word for one in several for word in (each.label, spelled(one))]


def origins(place: Path) -> dict[str, str]:
    return {
        FILE: f"{place}/prefork.toml",
        PROFILE: f"[profile.p] of {place}/prefork.toml",
        ENV_FILE: f"{place}/given.env",
        ENVIRONMENT: "environment",
        FLAG: "command line",
    }


def sources(each: Described) -> list[str]:
    """Those that can say it; an env file that names another would not be read."""
    return [source for source in ORDER if each.name != "env_file" or source != ENV_FILE]


def test_there_are_different_samples_and_not_all_are_the_default(
    each: Described, values: list[Any]
) -> None:
    assert len(values) >= 2
    assert all(one != other for one, other in combinations(values, 2))
    assert any(value != each.default for value in values)


def test_one_source_alone_is_believed(each: Described, values: list[Any], tmp_path: Path) -> None:
    for source in sources(each):
        for value in values:
            merged = asked(each, {source: value}, tmp_path).merged
            assert merged.problems == (), source
            assert merged.values[each.name] == value, source
            assert type(merged.values[each.name]) is type(value), source
            assert merged.origins[each.name] == origins(tmp_path)[source]


def test_of_two_sources_the_later_one_wins(
    each: Described, values: list[Any], tmp_path: Path
) -> None:
    for lower, higher in combinations(sources(each), 2):
        for first, second in zip(values, [*values[1:], values[0]], strict=True):
            merged = asked(each, {lower: first, higher: second}, tmp_path).merged
            assert merged.problems == (), (lower, higher)
            assert merged.values[each.name] == second, (lower, higher)
            assert merged.origins[each.name] == origins(tmp_path)[higher]


def test_of_all_sources_the_flag_wins(each: Described, values: list[Any], tmp_path: Path) -> None:
    said = dict.fromkeys(sources(each), values[0]) | {FLAG: values[1]}
    merged = asked(each, said, tmp_path).merged
    assert (merged.values[each.name], merged.origins[each.name]) == (values[1], "command line")


def test_where_nobody_says_it_the_default_counts(each: Described, tmp_path: Path) -> None:
    merged = asked(each, {}, tmp_path).merged
    if each.is_positional:
        assert each.name not in merged.values
        assert merged.problems == ("APP must be given, or PREFORK_APP set, or app in prefork.toml",)
    else:
        assert (merged.values[each.name], merged.origins[each.name]) == (each.default, "default")


def test_no_takes_back_what_the_file_says(tmp_path: Path) -> None:
    flags = [each for each in EVERY if each.is_flag]
    assert flags
    for each in flags:
        merged = asked(each, {FILE: True, FLAG: False}, tmp_path).merged
        assert (merged.values[each.name], merged.origins[each.name]) == (False, "command line")


def test_a_setting_without_a_sample_does_not_pass_unseen(tmp_path: Path) -> None:
    doc = setting(None, section="Limits", help="New.", check=lambda _: None)
    new = Described("new", str, None, doc.metadata["doc"])
    with pytest.raises(NoSampleError, match="new"):
        samples(new, tmp_path, [])


@pytest.mark.parametrize("typed", ["command line", "environment", "file"])
def test_reload_has_defaults_of_its_own_wherever_it_is_asked_for(
    tmp_path: Path, typed: str
) -> None:
    (each,) = [each for each in EVERY if each.name == "reload"]
    source = {"command line": FLAG, "environment": ENVIRONMENT, "file": FILE}[typed]
    merged = asked(each, {source: True}, tmp_path).merged
    for other in EVERY:
        if other.doc.with_reload is not None:
            assert merged.values[other.name] == other.doc.with_reload
            assert merged.origins[other.name] == "default with --reload"


def test_what_is_asked_for_wins_over_the_defaults_of_reload(tmp_path: Path) -> None:
    (each,) = [each for each in EVERY if each.name == "min_uptime"]
    said = asked(each, {FILE: 3.0, ENVIRONMENT: 2.0}, tmp_path)
    with command.make_context("serve", ["--reload"]) as context:
        merged = resolve(context.params, {each.variable: "2"}, tmp_path).merged
    assert said.merged.values["min_uptime"] == merged.values["min_uptime"] == 2.0
