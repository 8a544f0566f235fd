"""A hook finds its function, calls it plainly or in a loop, and says what it raised."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from prefork.errors import AppError
from prefork.worker.hooks import Hook, WorkerInfo

SUBJECT = WorkerInfo(slot=1, generation=2, pid=3)


def test_a_hook_without_a_function_does_nothing() -> None:
    hook = Hook.load("pre_stop", None, ".")
    hook.run(SUBJECT)
    asyncio.run(hook.run_in_loop(SUBJECT))
    assert hook == Hook("pre_stop")


def test_a_function_is_found_below_the_applications_directory(tmp_path: Path) -> None:
    (tmp_path / "moments_of_mine.py").write_text("class A:\n    called = print\n")
    hook = Hook.load("post_fork", "moments_of_mine:A.called", str(tmp_path))
    assert hook.function is print


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("json:nothing", "the hook post_fork: no such attribute: module 'json' has no 'nothing'"),
        ("json:__name__", "the hook post_fork: json:__name__ is not callable"),
        ("no_such_module:x", "the hook post_fork: no such module 'no_such_module'"),
    ],
)
def test_what_is_no_function_is_named_with_its_moment(tmp_path: Path, spec: str, said: str) -> None:
    with pytest.raises(AppError, match=said):
        Hook.load("post_fork", spec, str(tmp_path))


@pytest.mark.parametrize("is_async", [False, True])
def test_it_is_given_its_subject_with_and_without_a_loop(is_async: bool) -> None:
    given: list[Any] = []

    async def later(subject: WorkerInfo) -> None:
        await asyncio.sleep(0)
        given.append(subject)

    hook = Hook("pre_stop", later if is_async else given.append)
    hook.run(SUBJECT)
    asyncio.run(hook.run_in_loop(SUBJECT))
    assert given == [SUBJECT, SUBJECT]


def test_without_a_subject_it_is_called_without_an_argument() -> None:
    called: list[bool] = []
    Hook("pool_initializer", lambda: called.append(True)).run()
    assert called == [True]


def test_a_plain_function_may_run_a_loop_of_its_own() -> None:
    async def nothing() -> None:
        await asyncio.sleep(0)

    Hook("post_fork", lambda _: asyncio.run(nothing())).run(SUBJECT)


def raises(_: WorkerInfo) -> None:
    raise KeyError("licence")


async def raises_later(_: WorkerInfo) -> None:
    await asyncio.sleep(0)
    raise SystemExit(2)


@pytest.mark.parametrize(
    ("function", "said"), [(raises, "KeyError: 'licence'"), (raises_later, "SystemExit: 2")]
)
def test_what_it_raises_is_an_error_with_its_own_traceback(function: Any, said: str) -> None:
    with pytest.raises(AppError, match=said) as caught:
        Hook("post_fork", function).run(SUBJECT)
    assert str(caught.value) == f"the hook post_fork raised: {said}"
    assert f"in {function.__name__}" in caught.value.detail
    assert "asyncio" not in caught.value.detail
    assert "prefork/worker" not in caught.value.detail


@pytest.mark.parametrize("function", [raises, raises_later])
def test_in_the_loop_what_it_raises_is_logged(
    function: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(Hook("pre_stop", function).run_in_loop(SUBJECT))
    assert "hook_failed hook=pre_stop" in capfd.readouterr().err
