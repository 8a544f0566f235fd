"""The pool's settings: what contradicts what, what does nothing, and their table in a file."""

from pathlib import Path

import pytest

from prefork.settings.pooling import KEYS, OF_PROCESSES
from prefork.settings.resolution import Resolution, resolve
from prefork.settings.schema import Settings, problems
from prefork.settings.sources import from_command_line, from_environment, merge


def resolved(folder: Path, text: str, name: str = "prefork.toml", **options: str) -> Resolution:
    (folder / name).write_text(text)
    return resolve({"app": "a:b", **options}, {}, folder)


def told(folder: Path, text: str, name: str = "prefork.toml", **options: str) -> list[str]:
    """What is wrong, without the folder, which is another each time."""
    found = resolved(folder, text, name, **options).merged.problems
    return [each.replace(f"{folder}/", "") for each in found]


# -- what is said together -----------------------------------------------------


def test_no_more_processes_are_always_there_than_there_may_be() -> None:
    said = {"app": "a:b", "pool": "2", "pool_min": "3"}
    (problem,) = merge(from_command_line(said)).problems
    assert problem == "--pool-min must be at most --pool, which is 2 (got 3)"
    assert problems({"pool": 2, "pool_min": 3}) == [problem]
    assert merge(from_command_line(said | {"pool_min": "2"})).problems == ()


@pytest.mark.parametrize("pool", ["0", "max"])
def test_a_pool_of_none_and_of_as_many_as_there_are_cpus_contradict_nothing(pool: str) -> None:
    said = {"app": "a:b", "pool": pool, "pool_min": "200"}
    assert merge(from_command_line(said)).problems == ()


@pytest.mark.parametrize("name", [name for name in KEYS.values() if name != "pool"])
def test_a_setting_of_the_pool_does_nothing_where_nobody_wants_a_pool(name: str) -> None:
    value = "app:f" if name == "pool_initializer" else "threads" if "engine" in name else "4MB"
    value = value if value != "4MB" or "memory" in name else "1"
    option = f"--{name.replace('_', '-')}"
    said = from_command_line({"app": "a:b", name: value})
    assert merge(said).problems == (f"{option} does nothing without --pool",)
    for pool in ("0", "4"):  # 0 switches off what a file asks for, and with it all that goes along
        assert merge(from_environment({"PREFORK_POOL": pool}), said).problems == ()


@pytest.mark.parametrize("name", OF_PROCESSES)
def test_what_only_processes_of_its_own_can_have_does_nothing_with_threads(name: str) -> None:
    value = "app:f" if name == "pool_initializer" else "4MB" if "memory" in name else "1"
    said = {"app": "a:b", "pool": "2", name: value}
    assert merge(from_command_line(said)).problems == ()
    option = f"--{name.replace('_', '-')}"
    for more in ({}, {"pool": "0"}):
        merged = merge(from_command_line(said | {"pool_engine": "threads"} | more))
        assert merged.problems == (f"{option} does nothing with threads as the pool's engine",)


def test_what_every_engine_has_goes_with_threads_too() -> None:
    said = dict.fromkeys(set(KEYS.values()) - {"pool_engine", *OF_PROCESSES}, "1")
    assert said.keys() == {"pool", "pool_queue", "pool_timeout", "pool_grace"}
    said |= {"app": "a:b", "pool_engine": "threads"}
    assert merge(from_command_line(said)).problems == ()


def test_what_a_file_that_cannot_be_read_may_say_is_not_said_to_be_missing(tmp_path: Path) -> None:
    (line,) = told(tmp_path, "pool = ", pool_queue="3")
    assert line.startswith("prefork.toml is no TOML")


# -- the table -----------------------------------------------------------------


def test_the_table_says_what_the_settings_do(tmp_path: Path) -> None:
    text = """
        [pool]
        max = 3
        min = 1
        idle_timeout = 2.5
        queue = 100
        timeout = 20
        grace = 0.5
        initializer = "app:warm_up"
        nice = 5
        memory_limit = "512MB"
        max_tasks = 1000
        max_memory = "1GB"
        engine = "processes"
    """
    resolution = resolved(tmp_path, text)
    assert resolution.settings() == Settings(
        app="a:b",
        pool=3,
        pool_min=1,
        pool_idle_timeout=2.5,
        pool_queue=100,
        pool_timeout=20.0,
        pool_grace=0.5,
        pool_initializer="app:warm_up",
        pool_nice=5,
        pool_memory_limit="512MB",
        pool_max_tasks=1000,
        pool_max_memory="1GB",
        pool_engine="processes",
    )
    assert resolution.merged.origins["pool_min"] == f"[pool] of {tmp_path}/prefork.toml"
    assert all(f" {key} = " in text for key in KEYS)


def test_pyproject_has_the_table_too(tmp_path: Path) -> None:
    text = "[tool.prefork.pool]\nmax = 'max'\nmin = 0"
    settings = resolved(tmp_path, text, "pyproject.toml").settings()
    assert (settings.pool, settings.pool_min) == ("max", 0)
    assert told(tmp_path, "[tool.prefork.pool]\nmax = 1\nmin = 2", "pyproject.toml") == [
        "min in [tool.prefork.pool] of pyproject.toml must be at most max in [tool.prefork.pool] "
        "of pyproject.toml, which is 1 (got 2)"
    ]


def test_a_profile_stands_over_it_key_by_key(tmp_path: Path) -> None:
    text = "[pool]\nmax = 3\nqueue = 7\n[profile.p.pool]\nmax = 4\n[profile.q]\npool = 5"
    both = [resolved(tmp_path, text, profile=profile).settings() for profile in ("p", "q")]
    assert [(each.pool, each.pool_queue) for each in both] == [(4, 7), (5, 7)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[pool]\nmax = 300", "max in [pool] of prefork.toml must be from 0 to 256, or max (got"),
        ("[pool]\nmax = 'all'", "max in [pool] of prefork.toml must be a whole number, or max"),
        ("[pool]\nmax = 2\ngrace = 0", "grace in [pool] of prefork.toml must be more than 0 sec"),
        (
            "[pool]\nmax = 2\nmx = 1",
            "[pool] of prefork.toml: unknown setting 'mx' (did you",
        ),
        ("[pool]\nmax = 2\npool_min = 1", "unknown setting 'pool_min' (did you mean 'min'?)"),
        ("[pool]\nmax = 2\nidle-timeout = 1", "'idle-timeout' (did you mean 'idle_timeout'?)"),
        (
            "[pool]\nsize = 1",
            "[pool] of prefork.toml: unknown setting 'size' (did you mean 'max'?)",
        ),
        ("[pool]\nmax = 2\nworkers = 1", "unknown setting 'workers' (did you mean 'max'?)"),
        ("[pool]\nmaxThreads = 2", "unknown setting 'maxThreads' (did you mean 'max'?)"),
        ("[pool]\npool_size = 2", "unknown setting 'pool_size' (did you mean 'max'?)"),
        ("[pool]\nmax = 2\nmin_workers = 1", "'min_workers' (did you mean 'min'?)"),
        ("pool_max = 2", "prefork.toml: unknown setting 'pool_max' (did you mean 'pool'?)"),
        ("pool-size = 2", "prefork.toml: unknown setting 'pool-size' (did you mean 'pool'?)"),
        ("[pool]\nmax = 2\nqueue = [1]", "queue in [pool] of prefork.toml must be one plain value"),
        ("[pool]\nmax = 2\n[pool.min]", "min in [pool] of prefork.toml must be one plain value"),
        ("[profile.p.pool]\nmix = 1", "[profile.p.pool] of prefork.toml: unknown setting 'mix'"),
        ("[pool]\nqueue = 3", "queue in [pool] of prefork.toml does nothing without --pool"),
        (
            "pool_min = 1\n[pool]\nmax = 3\nmin = 2",
            "min in [pool] of prefork.toml and pool_min in prefork.toml are the same: leave one",
        ),
        ("[pool]\nmax = 2\nengine = 'dask'", "must be processes, threads or dask://HOST:PORT (got"),
        ("pool = 2\npool_initializer = 'warm_up'", "pool_initializer in prefork.toml must be MOD"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(tmp_path: Path, text: str, problem: str) -> None:
    (line,) = told(tmp_path, text)
    assert problem in line
