"""The imperative idiom: a script that forks itself, as every tutorial of Node's cluster has it."""

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prefork.boot.instance import Instance
from prefork.cluster.events import require_plain
from prefork.cluster.handle import Worker
from prefork.cluster.supervisor import Supervisor, require_main_thread
from prefork.core.facts import DisconnectRequested, ForkRequested
from prefork.errors import SettingsError
from prefork.settings import environment
from prefork.settings.schema import Settings
from prefork.settings.sources import from_call, from_environment, merge
from prefork.wire.estate import Launch

# Flags, the last of which has an argument: by itself, where nothing follows in the word.
_NAMES_CODE = re.compile(r"-[A-VY-Zabd-ln-z]*[mc]")
_TAKES_NEXT = re.compile(r"-[A-VY-Za-z]*[WX]|--check-hash-based-pycs")
LONGEST_NAME = 32  # characters of it; with "script_" and the pid it is still an instance's
OF_LAUNCH = ("exec", "args", "exec_argv", "cwd")


class Script(Supervisor):
    """The primary of a script. Nothing is forked but by `fork`, and by the default reload."""

    def __init__(self) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {}
        self._disconnected: list[Callable[[], object]] = []
        self._is_idle = False  # there is nothing to do, and the fleet was told so
        self._narrator.told = self._end_if_idle
        self._narrator.released = self._note_released

    @property
    def policy(self) -> str:
        """By which connections reach workers: rr, least, hash, shared or reuseport.

        It may be assigned until the first `setup_primary` or `fork`; PREFORK_POLICY is its default.
        Raises SettingsError for one that doesn't exist, or that comes too late.
        """
        return str(self._checked(self.settings).policy)

    @policy.setter
    def policy(self, name: str) -> None:
        if self.settings.keys() - {"policy"} or self._made is not None:
            raise SettingsError("policy is fixed since the first setup_primary() or fork()")
        self._checked({"policy": name})
        self.settings["policy"] = name

    def setup_primary(self, **settings: Any) -> None:
        """Say how workers are forked from now on; what was said before and isn't now stays.

        *exec*: the script, by default this one; *args*: its arguments; *exec_argv*: the
        interpreter's, both lists; *cwd*: its directory. All others are settings by their names in
        docs/reference/settings.md, must be said before the first `fork`, and win over PREFORK_*
        variables; a script reads no prefork.toml. Raises SettingsError.
        """
        late = [name for name in settings if name not in OF_LAUNCH]
        if late and self._made is not None:
            raise SettingsError(f"{', '.join(late)} must be set before the first fork()")
        self._checked({**self.settings, **settings})
        self.settings |= settings
        if self._made is not None:
            self._made.host.launch = self._launch({})
        self._narrator.later(partial(self._narrator.events.emit, "setup", dict(self.settings)))

    def fork(self, env: Mapping[str, str] | None = None) -> Worker:
        """Start the script again as a worker, with *env* added to its environment.

        Returns at once. In the handler of an exit after which a reload has brought another worker,
        give that one: so a handler that forks for each that goes needs not know of reloads. After
        deaths in a row in its slot it is started after a while: nothing spins. Raises TypeError or
        ValueError for what is no environment, SettingsError or AddressError where no primary can be
        made of what was said, RuntimeError once `run` has returned.
        """
        instance, launch = self._ensure(), self._launch(env or {})
        if (heir := self._narrator.take_heir()) is not None:
            return heir
        self._is_idle = False
        seat = instance.fleet.reserve()
        worker = self._narrator.meet(seat.id, seat.slot, instance.fleet.generation.number)
        instance.host.envs[seat.slot] = launch.env
        instance.host.reception.posts.mailboxes.expect(seat.id, f"worker {seat.slot}")
        instance.primary.tell(ForkRequested(seat.id, seat.slot))
        return worker

    def disconnect(self, then: Callable[[], object] | None = None) -> None:
        """Have all workers finish and go, and close what they listened on; then call *then*.

        The primary goes on if that forks again; else `run` returns.
        """
        if then is not None:
            require_plain(then)
            self._disconnected.append(then)
        self._ensure().primary.tell(DisconnectRequested(None))

    def disconnect_worker(self, id: int) -> None:
        self._instance.primary.tell(DisconnectRequested(id))

    def run(self) -> None:
        """Supervise until told to stop, or until nothing is left to do.

        Raises SystemExit where the process is not to exit with 0.
        """
        self._run(self._ensure())

    # -- making --------------------------------------------------------------

    def _ensure(self) -> Instance:
        require_main_thread()
        if self._has_ended:
            raise RuntimeError("this cluster has ended: its run() has returned")
        if self._made is None:
            settings = self._checked(self.settings)
            self._made = self._make(settings, self._launch({}))
        return self._made

    def _checked(self, wanted: Mapping[str, Any]) -> Settings:
        """Make settings of them. Raises SettingsError."""
        own = {name: value for name, value in wanted.items() if name not in OF_LAUNCH}
        name = _name(self.settings.get("exec") or sys.argv[0])
        given = {"app": f"{name}:__main__", "name": f"{name}-{os.getpid()}"} | own
        return merge(from_environment(environment.variables()), from_call(given)).settings()

    def _launch(self, env: Mapping[str, str]) -> Launch:
        cwd = self.settings.get("cwd")
        return Launch(_command(self.settings), dict(env), None if cwd is None else os.fspath(cwd))

    def _note_released(self) -> None:
        disconnected, self._disconnected = self._disconnected, []
        for each in disconnected:
            self._narrator.events.call("disconnect", each)

    # -- ending --------------------------------------------------------------

    def _end_if_idle(self) -> None:
        """Nothing listens, nobody lives, and nothing is to be called: there is nothing to do."""
        if self._narrator.workers or self._is_idle:  # first: it is asked in every turn of the loop
            return
        instance = self._instance
        if not self._timers and not instance.is_listening:
            self._is_idle = True
            instance.primary.tell(DisconnectRequested(None))


def _command(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What is executed: the interpreter as it was called, for the same script, unless told else.

    Raises SettingsError where there is no script that could be read again.
    """
    flags, what = _split(sys.orig_argv[1:])
    if (wanted := settings.get("exec")) is not None:
        what = [os.fspath(wanted)]
    elif what in ([], ["-"]):
        raise SettingsError("what was read from standard input can't be run again: set exec=")
    elif not what[0].startswith("-"):
        what = [_absolute(what[0])]
    flags = list(settings.get("exec_argv", flags))
    arguments: Sequence[str] = settings.get("args", sys.argv[1:])
    return (sys.executable, *flags, *what, *map(str, arguments))


def _split(given: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Tell the interpreter's flags, and then SCRIPT, -m MODULE or -c CODE, from what follows.

    Not by the length of `sys.argv`: many a script takes from that, or adds to it.
    """
    at = 0
    while at < len(given) and given[at].startswith("-") and given[at] != "-":
        if _NAMES_CODE.match(given[at]):
            end = at + (2 if _NAMES_CODE.fullmatch(given[at]) else 1)
            return given[:at], given[at:end]
        at += 2 if _TAKES_NEXT.fullmatch(given[at]) else 1
    return given[:at], given[at : at + 1]


def _absolute(script: str) -> str:
    """Where it is, though it may have changed the directory, and its workers may begin in another.

    The interpreter knows it of a file, not of an archive.
    """
    file = str(getattr(sys.modules["__main__"], "__file__", ""))
    return file if Path(file).name == Path(script).name else os.path.abspath(script)


def _name(script: str) -> str:
    """A name that can stand for an application's module, and begin that of an instance."""
    stem = re.sub(r"\W", "_", Path(script).stem, flags=re.ASCII).strip("_")[:LONGEST_NAME]
    return stem if stem.isidentifier() else f"script_{stem}".strip("_")
