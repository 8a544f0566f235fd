"""What a child says, as facts for the core."""

from collections.abc import Iterator

from prefork import log
from prefork.core.facts import (
    Declined,
    Fact,
    Failed,
    Forked,
    Idle,
    Leaving,
    LeftRotation,
    Misbehaved,
    PoolWanted,
    Proven,
    Ready,
    Stage,
    Worn,
)
from prefork.core.process import Role
from prefork.errors import RemoteError
from prefork.primary.children import Child, Children
from prefork.wire import messages

MAX_PID = 2**22  # PID_MAX_LIMIT of the kernel


def facts(
    child: Child, message: messages.ToPrimary | messages.FromPrimary, children: Children
) -> Iterator[Fact]:
    """Translate one message. Raises RemoteError for one that its sender must not send."""
    match message:
        case messages.Ready(pid, interface):
            yield from _ready(child, pid, interface, children)
        case messages.Forked(id, pid):
            yield from _forked(child, id, pid, children)
        case messages.Declined(reasons):
            log.warning("preload_declined", reasons=reasons, effect="each worker imports")
            yield Declined(child.id, tuple(reasons))
        case messages.Failed(stage, reason, detail):
            yield Failed(child.id, _stage(stage), reason, detail)
        case messages.Proven() | messages.Leaving() | messages.LeftRotation():
            yield _of_rotation(child, message)
        case messages.Crowded() | messages.Worn() | messages.Idle():
            yield from _of_tasks(child, message)
        case _:
            _leave_to_host(child, message)


def blame(child: Child, reason: str) -> Misbehaved:
    """Tell that it does what no process of ours does."""
    log.error("child_misbehaved", process=str(child), pid=child.pid, reason=reason)
    return Misbehaved(child.id)


def _ready(child: Child, pid: int, interface: str, children: Children) -> Iterator[Fact]:
    if child.pid is None:  # its READY overtook what its intermediate parent says
        child.pid = _checked(pid, children)
        yield Forked(child.id, pid)
    log.info(f"{child.role.value}_ready", **child.who, interface=interface)
    yield Ready(child.id)


def _of_rotation(
    child: Child, message: messages.Proven | messages.Leaving | messages.LeftRotation
) -> Fact:
    match message:
        case messages.Proven():
            return Proven(child.id)
        case messages.LeftRotation():
            return LeftRotation(child.id)
        case _:
            log.info("worker_leaves", **child.who)
            return Leaving(child.id)


def _leave_to_host(child: Child, message: messages.ToPrimary | messages.FromPrimary) -> None:
    """Let pass what it hears itself; a pool process says nothing of that."""
    if not isinstance(message, messages.ForHost):
        raise RemoteError(f"sent an order of ours: {type(message).__name__}")
    if child.role is Role.POOL:
        raise RemoteError(f"a pool process said {type(message).__name__}")


def _of_tasks(
    child: Child,
    message: messages.Crowded | messages.Worn | messages.Idle,
) -> Iterator[Fact]:
    match child.role, message:
        case Role.WORKER, messages.Crowded():
            yield PoolWanted(child.generation)
        case Role.POOL, messages.Worn(reason):
            yield Worn(child.id, reason)
        case Role.POOL, messages.Idle():
            yield Idle(child.id)
        case _:
            raise RemoteError(f"a {child.role.value} said {type(message).__name__}")


def _forked(sender: Child, id: int, pid: int, children: Children) -> Iterator[Fact]:
    """Believe a template about its own workers, once: READY may have said it already."""
    worker = children.get(id)
    if sender.role is not Role.TEMPLATE:
        raise RemoteError("a worker told of a fork")
    if worker is not None and worker.template == sender.id and worker.pid is None:
        worker.pid = _checked(pid, children)
        yield Forked(id, pid)


def _checked(pid: int, children: Children) -> int:
    """A pid that may be signalled: not a group's, not init's, not another child's."""
    if not 1 < pid < MAX_PID or children.by_pid(pid) is not None:
        raise RemoteError(f"told of a pid that can't be: {pid}")
    return pid


def _stage(name: str) -> Stage:
    try:
        return Stage(name)
    except ValueError:
        raise RemoteError(f"no such stage: {name}") from None
