"""The pool of a script as far as it is told what it is to be; the rest has real processes."""

import functools
import json
import os
from typing import Any

import pytest

from prefork import Pool
from prefork.errors import SettingsError
from prefork.pool.errors import PoolError
from prefork.settings.schema import Settings


def settings(*size: Any, **options: Any) -> Settings:
    """Give the settings of the instance that a pool would have."""
    return Pool(*size, **options)._settings


def test_it_has_no_worker_and_no_address_and_says_little() -> None:
    made = settings(4)
    assert (made.pool, made.workers, made.bind, made.log_level) == (4, 0, (), "warning")


def test_it_is_named_by_its_script_and_process_and_each_otherwise() -> None:
    names = {settings().name, settings().name}
    assert len(names) == 2
    assert all(f"-pool-{os.getpid()}" in str(name) for name in names)


def test_it_has_a_process_for_each_cpu_unless_told_otherwise() -> None:
    assert settings().pool == "max"
    assert settings("max").pool == "max"


def test_options_are_the_settings_of_the_pool() -> None:
    made = settings(4, min=1, queue=9, timeout=2.5, memory_limit="1GB", max_tasks=7)
    wanted = (1, 9, 2.5, "1GB", 7)
    found = (made.pool_min, made.pool_queue, made.pool_timeout)
    assert (*found, made.pool_memory_limit, made.pool_max_tasks) == wanted


def test_a_script_may_wait_for_as_many_tasks_as_it_likes() -> None:
    assert settings().pool_queue == 1_000_000


def test_the_environment_speaks_of_the_pool_and_of_nothing_that_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = {"POOL": "0", "POOL_NICE": "5", "LOG_LEVEL": "debug", "NAME": "x", "BIND": "[::1]:1"}
    for name, value in said.items():
        monkeypatch.setenv(f"PREFORK_{name}", value)
    made = settings()
    assert (made.pool, made.pool_nice, made.log_level, made.bind) == ("max", 5, "debug", ())
    assert made.name != "x"
    assert settings(2, nice=0).pool == 2


def test_a_function_at_the_top_of_a_module_may_initialise() -> None:
    assert settings(initializer=json.dumps).pool_initializer == "json:dumps"
    assert settings(initializer="json:loads").pool_initializer == "json:loads"


def test_all_that_is_wrong_is_said_at_once_by_the_names_it_has_here() -> None:
    with pytest.raises(SettingsError) as refused:
        Pool(-1, timeout=-2, memory_limit="much")
    assert [each.split()[0] for each in str(refused.value).split("; ")] == [
        "size",
        "timeout",
        "memory_limit",
    ]


def test_a_pool_of_nobody_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^size must be at least 1"):
        Pool(0)


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="no option processes, workers"):
        Pool(workers=3, processes=2)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "function",
    [lambda: None, functools.partial(json.dumps), json.JSONEncoder().encode],
    ids=["lambda", "partial", "method"],
)
def test_an_initialiser_must_have_a_name_by_which_it_is_found(function: Any) -> None:
    with pytest.raises(SettingsError, match=r"^initializer must be a function at the top"):
        Pool(initializer=function)


async def once(pool: Pool) -> None:
    await pool.run(abs, -1)


def test_outside_of_its_block_it_takes_no_task() -> None:
    pool = Pool()
    running = once(pool)
    with pytest.raises(PoolError, match="only inside of `async with`"):
        running.send(None)
    assert pool.stats().size == 0
