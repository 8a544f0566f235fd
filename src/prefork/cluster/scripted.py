"""The imperative idiom: a script that forks itself, as every tutorial of Node's cluster has it."""

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from prefork.boot.instance import Instance
from prefork.cluster import command
from prefork.cluster.command import OF_LAUNCH
from prefork.cluster.events import require_plain
from prefork.cluster.handle import Worker
from prefork.cluster.supervisor import Supervisor, leave, require_main_thread
from prefork.core.facts import DisconnectRequested, ForkRequested
from prefork.errors import SettingsError
from prefork.settings import environment
from prefork.settings.pooling import KEYS
from prefork.settings.schema import Settings
from prefork.settings.sources import from_call, from_environment, merge
from prefork.wire.estate import Launch

_BY_WORKER = "serve() and listen() say it in a worker"
_BY_SCRIPT = "do it in the script itself"
IDLE = {  # what a script does itself, by the name that it might be given: what to do instead
    "host": _BY_WORKER,
    "port": _BY_WORKER,
    "app": _BY_WORKER,
    "bind": _BY_WORKER,
    "backlog": _BY_WORKER,
    "socket_mode": _BY_WORKER,
    "preload": "each worker runs the script",
    "env_file": _BY_SCRIPT,
    "log_config": _BY_SCRIPT,
    "app_log_level": _BY_SCRIPT,
    "post_fork": _BY_SCRIPT,
    "pre_stop": _BY_SCRIPT,
    "worker_exit": _BY_SCRIPT,
    **dict.fromkeys(KEYS.values(), "a pool belongs to a declared fleet, or to prefork.Pool"),
}


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

        It may be assigned until the first `fork`; PREFORK_POLICY is its default.
        Raises SettingsError for one that doesn't exist, or that comes too late.
        """
        return str(self._checked(self.settings).policy)

    @policy.setter
    def policy(self, name: str) -> None:
        if self._made is not None:
            raise SettingsError("policy must be set before the first fork()")
        self._checked({"policy": name})
        self.settings["policy"] = name

    def setup_primary(self, **settings: Any) -> None:
        """Say how workers are forked from now on; what was said before and isn't now stays.

        *exec*: the script, by default this one; *args*: its arguments; *exec_argv*: the
        interpreter's, both lists; *cwd*: its directory. All others are settings by their names in
        docs/reference/settings.md, must be said before the first `fork`, and win over PREFORK_*
        variables; a script reads no prefork.toml. *workers* is how many you mean to fork: what they
        share, as max_connections, is divided by that. Raises SettingsError, and TypeError.
        """
        late = [name for name in settings if name not in OF_LAUNCH]
        if late and self._made is not None:
            raise SettingsError(f"{', '.join(late)} must be set before the first fork()")
        self._checked({**self.settings, **settings})
        self.settings |= settings
        if self._made is not None:
            self._made.host.births.launch = self._launch({})
        self._narrator.later(partial(self._narrator.events.emit, "setup", dict(self.settings)))

    def fork(self, env: Mapping[str, str] | None = None) -> Worker:
        """Start the script again as a worker, with *env* added to its environment.

        Returns at once. In the handler of an exit after which a reload has brought another worker,
        give that one: so a handler that forks for each that goes needs not know of reloads; where
        the reload has failed, the one that stays; during a stop one that is dead already. After
        deaths in a row in its slot it is started after a while: nothing spins. Raises TypeError or
        ValueError for what is no environment, RuntimeError once `run` has returned, and SystemExit,
        after one line on standard error, where no primary can be made of what was said.
        """
        instance, launch = self._ensure(), self._launch(env or {})
        if (heir := self._narrator.heirs.take()) is not None:
            return heir
        self._is_idle = False
        seat = instance.fleet.reserve()
        worker = self._narrator.meet(seat.id, seat.slot, instance.fleet.generation.number)
        instance.host.births.envs[seat.slot] = launch.env
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
            try:
                settings, launch = self._checked(self.settings), self._launch({})
            except SettingsError as error:
                leave(error)
            if not self._begin(settings, launch):
                sys.exit()
        return self._instance

    def _checked(self, wanted: Mapping[str, Any]) -> Settings:
        """Make settings of them. Raises SettingsError, and TypeError."""
        own = {name: value for name, value in wanted.items() if name not in OF_LAUNCH}
        if useless := [
            f"{name} does nothing in a script: {IDLE[name]}" for name in own.keys() & IDLE
        ]:
            raise SettingsError("; ".join(sorted(useless)))
        command.check(wanted)
        name = command.name_of(self.settings.get("exec") or sys.argv[0])
        usual = from_call({"name": f"{name}-{os.getpid()}"})
        said = from_environment(environment.variables())
        said = {name: given for name, given in said.items() if name not in IDLE}
        return merge(usual, said, from_call({"app": f"{name}:__main__"} | own)).settings()

    def _launch(self, env: Mapping[str, str]) -> Launch:
        cwd = self.settings.get("cwd")
        return Launch(
            command.command(self.settings), dict(env), None if cwd is None else os.fspath(cwd)
        )

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
