"""What can be typed for the pool's engine, and what is wrong with it."""

import importlib.util

import pytest

from prefork.settings import engine


@pytest.mark.parametrize("text", ["processes", "threads"])
def test_what_runs_on_this_machine_is_accepted(text: str) -> None:
    assert engine.wrong(text) is None
    assert engine.scheduler(text) is None


@pytest.mark.parametrize(
    ("text", "scheduler"),
    [
        ("dask://127.0.0.1:8786", "127.0.0.1:8786"),
        ("dask://scheduler.example:1", "scheduler.example:1"),
        ("dask://[::1]:8786", "[::1]:8786"),
    ],
)
def test_a_dask_cluster_is_named_by_its_scheduler(text: str, scheduler: str) -> None:
    assert engine.scheduler(text) == scheduler
    has_library = importlib.util.find_spec("distributed") is not None
    lacking = None if has_library else "needs distributed: pip install 'prefork[dask]'"
    assert engine.wrong(text) == lacking


@pytest.mark.parametrize(
    "text",
    [
        "",
        "process",
        "dask",
        "dask://",
        "dask://host",
        "dask://host:0",
        "dask://host:port",
        "dask://host:70000",
        "dask://:8786",
        "dask://[host:8786",
        "dask://me@host:8786",
        "dask://host:8786/",
        "dask://host:8786?x=1",
        "dask://ho st:8786",
        "DASK://host:8786",
        "tcp://host:8786",
    ],
)
def test_what_is_none_is_refused_and_shown(text: str) -> None:
    said = engine.wrong(text)
    assert said is not None
    assert said.startswith("must be processes, threads or dask://HOST:PORT (got ")
