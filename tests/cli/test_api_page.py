import inspect
import re

import pytest

import prefork
from prefork import cluster, pool
from prefork.cli import api_pool
from prefork.cli.api_page import (
    CLASSES,
    ERRORS,
    EVENTS,
    IN_BOTH,
    IN_PRIMARY,
    IN_WORKERS,
    Shown,
    api_page,
)
from prefork.cluster import handle, narrator
from prefork.cluster.supervisor import Supervisor

PAGE = api_page()
ENTRIES = {*re.findall(r"^##+ `([\w.]+)`$", PAGE, re.MULTILINE)}


def public(holder: type) -> set[str]:
    """The names of its methods and properties that could be users'."""
    things = vars(holder).items()
    found = (n for n, t in things if inspect.isfunction(t) or isinstance(t, property))
    return {name for name in found if name[0] != "_"}


def test_every_name_that_the_package_offers_has_its_row_and_its_part() -> None:
    for name in ("cluster", "pool", *prefork._LAZY):
        assert f"| [`{name}`](#" in PAGE
    assert prefork._LAZY.keys() <= ENTRIES
    assert "## The module `cluster`" in PAGE
    assert "## The module `pool`" in PAGE


def test_every_name_of_the_module_is_on_the_page_once() -> None:
    ours = {n: t for n, t in vars(cluster).items() if inspect.isfunction(t) and n[0] != "_"}
    own = {name for name, thing in ours.items() if thing.__module__.startswith("prefork.")}
    names = own | public(type(cluster))
    assert names > {"available_parallelism", "fork", "worker"}
    assert sorted([*IN_BOTH, *IN_PRIMARY, *IN_WORKERS]) == sorted(names)
    assert {f"cluster.{name}" for name in names} <= ENTRIES


@pytest.mark.parametrize("shown", CLASSES, ids=lambda shown: shown.kind.__name__)
def test_every_method_of_a_class_is_on_the_page_or_known_not_to_be_for_users(
    shown: Shown,
) -> None:
    names = public(shown.kind)
    if shown.kind is prefork.Cluster:
        names |= public(Supervisor)
    assert shown.inner <= names
    assert {f"{shown.name}.{each}" for each in names - shown.inner} <= ENTRIES


def test_all_of_the_module_pool_is_on_the_page() -> None:
    errors = {each.__name__ for each in api_pool.ERRORS}
    others = {each.__name__ for each in (*api_pool.FUNCTIONS, *api_pool.CLASSES)}
    assert others | errors == {*pool.__all__}
    assert {f"pool.{name}" for name in others} <= ENTRIES
    assert all(f"| `pool.{name}` | " in PAGE for name in errors)


def test_every_event_comes_with_as_many_arguments_as_the_page_gives_it() -> None:
    assert EVENTS.keys() == narrator.EVENTS.keys() >= handle.EVENTS.keys()
    for name in EVENTS:
        row = re.search(rf"^\| `{name}` \| `{name}\((.*?)\)` \| (.*?) \|", PAGE, re.MULTILINE)
        assert row is not None
        assert len(re.findall(r"\w+", row[1])) == narrator.EVENTS[name]
        assert bool(row[2]) == (name in handle.EVENTS)
        of_worker = len(re.findall(r"\w+", row[2].removeprefix(f"`{name}")))
        assert of_worker == handle.EVENTS.get(name, 0)


def test_signatures_say_what_is_awaited_and_what_keywords_there_are() -> None:
    assert "\nawait cluster.publish(topic: str, message: Any) -> None\n" in PAGE
    assert "\ncluster.fork(env: Mapping[str, str] | None = None) -> Worker\n" in PAGE
    assert "await cluster.listen(\n    handler: Callable[..., Any],\n    *,\n    host: str" in PAGE
    assert (
        "await pool.run(\n    function: Callable[..., R],\n    /,\n    *args: Any,\n    t" in PAGE
    )
    assert "\ncluster.worker.is_leader: bool\n" in PAGE
    assert "kill(signal: int | str = Signals.SIGKILL)" in PAGE
    assert (
        "\nAddress(family: AddressFamily, host: str = '', port: int = 0, path: str = '')\n" in PAGE
    )


def test_what_is_said_leads_to_other_pages_and_not_into_the_code() -> None:
    assert "[settings](../reference/settings.md)" in PAGE
    assert not re.search(r"`(Script|narrator|handle)\b|docs/\w+/|>>>", PAGE)


def test_errors_are_those_that_users_can_meet() -> None:
    for each in ERRORS:
        assert f"| `{each.__name__}` | " in PAGE
