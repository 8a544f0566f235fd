"""What children say, and what they must not."""

from collections.abc import Iterator

import pytest

from prefork.core.facts import (
    Declined,
    Failed,
    Forked,
    Idle,
    Leaving,
    LeftRotation,
    PoolWanted,
    Proven,
    Ready,
    Stage,
    Worn,
)
from prefork.core.process import Role
from prefork.errors import RemoteError
from prefork.primary import mail
from prefork.primary.children import Child, Children
from prefork.wire import channel, messages
from prefork.wire.channel import Channel


@pytest.fixture
def children() -> Iterator[Children]:
    """Template 1 with pid 101, and workers 2 and 3, whose pids are not known yet."""
    it = Children(range(1, 9))
    for id, role in ((1, Role.TEMPLATE), (2, Role.WORKER), (3, Role.WORKER)):
        ours, theirs = channel.pair()
        theirs.close()
        child = Child(id, role, 1, it.take_line(), Channel(ours))
        if role is Role.WORKER:
            child.slot, child.template = id - 2, 1
        else:
            child.pid = 101
        it.add(child)
    everybody = list(it)
    yield it
    for child in everybody:
        child.close()


def said(children: Children, sender: int, message: messages.ToPrimary) -> list[object]:
    child = children.get(sender)
    assert child is not None
    return list(mail.facts(child, message, children))


def test_a_template_introduces_its_worker(children: Children) -> None:
    assert said(children, 1, messages.Forked(2, 102)) == [Forked(2, 102)]
    worker = children.by_pid(102)
    assert worker is not None
    assert worker.id == 2


def test_a_ready_that_overtakes_introduces_its_sender_once(children: Children) -> None:
    assert said(children, 2, messages.Ready(102, "asgi")) == [Forked(2, 102), Ready(2)]
    assert said(children, 1, messages.Forked(2, 102)) == []


def test_the_rest_is_passed_on(children: Children) -> None:
    assert said(children, 1, messages.Declined(["thread"])) == [Declined(1, ("thread",))]
    assert said(children, 2, messages.Leaving()) == [Leaving(2)]
    assert said(children, 2, messages.LeftRotation()) == [LeftRotation(2)]
    assert said(children, 2, messages.Proven()) == [Proven(2)]
    assert said(children, 2, messages.Nudge()) == []
    failed = messages.Failed("import", "no such module", "Traceback")
    assert said(children, 1, failed) == [Failed(1, Stage.IMPORT, "no such module", "Traceback")]


def test_a_template_is_not_believed_about_another_templates_worker(children: Children) -> None:
    stranger = children.get(3)
    assert stranger is not None
    stranger.template = 99
    assert said(children, 1, messages.Forked(3, 103)) == []
    assert said(children, 1, messages.Forked(77, 103)) == []


@pytest.mark.parametrize("pid", [-1, 0, 1, 101, 2**40])
def test_a_pid_that_must_not_be_signalled_is_refused(children: Children, pid: int) -> None:
    with pytest.raises(RemoteError, match="pid"):
        said(children, 2, messages.Ready(pid))
    with pytest.raises(RemoteError, match="pid"):
        said(children, 1, messages.Forked(2, pid))


@pytest.mark.parametrize(
    "message", [messages.Forked(3, 103), messages.Failed("dancing", "?"), messages.Stop(1)]
)
def test_what_a_worker_must_not_say_is_a_remote_error(
    children: Children, message: messages.ToPrimary
) -> None:
    with pytest.raises(RemoteError):
        said(children, 2, message)


def test_a_line_of_the_board_is_used_again_only_after_the_burial(children: Children) -> None:
    worker = children.get(2)
    assert worker is not None
    assert children.take_line() == 4
    children.remove(worker)
    assert children.take_line() == worker.line


@pytest.fixture
def pool(children: Children) -> Iterator[Child]:
    """Pool process 4, of the workers' generation."""
    ours, theirs = channel.pair()
    theirs.close()
    process = Child(4, Role.POOL, 1, children.take_line(), Channel(ours), slot=0, pid=104)
    children.add(process)
    yield process
    process.close()


@pytest.mark.usefixtures("pool")
def test_what_is_said_of_tasks_is_passed_on(children: Children) -> None:
    assert said(children, 2, messages.Crowded()) == [PoolWanted(1)]
    assert said(children, 4, messages.Worn("1000 tasks")) == [Worn(4, "1000 tasks")]
    assert said(children, 4, messages.Idle()) == [Idle(4)]


@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize(
    ("sender", "message"),
    [
        *[(each, messages.Crowded()) for each in (1, 4)],
        (4, messages.Condemn(4, 1, "?")),
        *[(each, messages.Worn("?")) for each in (1, 2)],
        *[(each, messages.Idle()) for each in (1, 2)],
        *[(4, each) for each in (messages.Nudge(), messages.Online(104), messages.Want("post"))],
        *[(4, each) for each in (messages.Listen(1), messages.Unlisten(1))],
    ],
    ids=lambda each: each if isinstance(each, int) else type(each).__name__,
)
def test_what_its_role_must_not_say_is_a_remote_error(
    children: Children, sender: int, message: messages.ToPrimary
) -> None:
    with pytest.raises(RemoteError, match=type(message).__name__):
        said(children, sender, message)
