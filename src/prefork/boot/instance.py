"""One primary with all its parts, from their making to its exit code."""

import os
import selectors
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from prefork import log
from prefork.boot import parts, telling
from prefork.control.server import ControlServer
from prefork.control.verbs import Verbs
from prefork.core.fleet import Fleet
from prefork.memory import source
from prefork.primary import priority, reaper
from prefork.primary.acceptor import Acceptor
from prefork.primary.aides import Aides
from prefork.primary.host import PosixHost
from prefork.primary.inquest import Inquest
from prefork.primary.listeners import Listeners
from prefork.primary.loop import Observer, Primary, Unobserved
from prefork.primary.openings import Openings
from prefork.primary.signals import Signals
from prefork.settings.schema import Settings
from prefork.wire import descriptors, lineage
from prefork.wire.estate import Estate, Launch, Main
from prefork.wire.named import NamedSocket


class Instance:
    """Made, it listens and is known by its name; nothing is forked before `begin`.

    Raises AddressError where an address or the name is taken.
    """

    def __init__(
        self,
        settings: Settings,
        observer: Observer | None = None,
        launch: Launch | None = None,
        main: Main | None = None,
    ) -> None:
        """*observer*: is told of what happens. *launch*: of a script's workers, which it is to say
        when they come, and on what they listen. *main*: of a script whose pool this is to be."""
        parts.configure_log(settings)
        descriptors.fill_standard()  # first: or the pipe of the signals were standard output
        self._signals = Signals()  # early: a stop must find its handler
        with ExitStack() as unmade, ExitStack() as opened:
            unmade.callback(self._signals.close)
            descriptors.raise_limit()
            parts.require_descriptors(settings)
            priority.let_workers_run()
            listeners = parts.listeners(settings, is_scripted=launch is not None)
            opened.callback(listeners.close)
            self._control = parts.control(settings, listeners)
            opened.callback(self._control.remove)
            estate = replace(parts.estate(settings, listeners, self._control), main=main)
            self._aides = Aides(estate)
            opened.callback(self._aides.finish, self._signals)
            self.host = self._make_host(estate, listeners)
            self.host.reception.observer = observer or Unobserved()
            self._let_script(launch, listeners)
            self._opened = opened.pop_all()
            unmade.pop_all()
        is_subreaper = lineage.adopt_orphans()
        self.fleet = Fleet(parts.plan(estate, templates=is_subreaper, scripted=launch is not None))
        self._server = self._answer_on(self._control)
        self.primary = Primary(
            self.fleet,
            self.host,
            announce=partial(telling.announce, self.fleet, self.host, listeners.open_ones),
            tell_reload=self._server.tell,
            observer=self.host.reception.observer,
        )

    @property
    def control(self) -> str:
        """The path of its control socket."""
        return self.host.estate.control

    @property
    def is_listening(self) -> bool:
        """Whether there is an address on which a connection may come."""
        return any(True for _ in self._listeners)

    def _let_script(self, launch: Launch | None, listeners: Listeners) -> None:
        """Have a script's workers started its way, and listen where they ask to."""
        self._listeners = listeners
        self.host.births.launch = launch
        if launch is not None:
            desk = self.host.reception
            desk.openings = Openings(listeners, self._acceptor, desk.say, desk.observer.listening)
            self.host.clocks.append(desk.openings)

    def _make_host(self, estate: Estate, listeners: Listeners) -> PosixHost:
        selector = selectors.DefaultSelector()
        rules = parts.rules(estate.settings)
        self._acceptor = Acceptor(listeners, rules, estate.board, selector)
        return PosixHost(estate, self._aides, self._signals, selector, self._acceptor)

    def _answer_on(self, control: NamedSocket) -> ControlServer:
        inquest = Inquest(self.host.children, self.host.watchdog)
        who = telling.identify(self.host.estate, self._listeners.open_ones)
        state = partial(telling.state, who, self.fleet, self.host)
        verbs = Verbs(self.fleet, state, inquest.hold, source.own)
        server = ControlServer(control, self.host.selector, verbs)
        self.host.clocks.append(server)
        return server

    def close(self) -> None:
        """Let go of addresses, the name, and the aides."""
        if not self._is_copy():
            self._opened.close()

    def forget(self) -> None:
        """Let go of signals and the board too, where the process lives on.

        Its title, its priority and that orphans come to it stay; so does what prefork's log writes
        to where output is captured.
        """
        self._signals.close()
        self.host.selector.close()
        self.host.estate.board.close()

    def abandon(self) -> None:
        """Kill every child: the program ends, and nobody will look after them."""
        if self._is_copy():
            return
        for child in self.host.children:
            if child.pid is not None:
                reaper.kill(child.pid, signal.SIGKILL)

    def _is_copy(self) -> bool:
        """Whether this is a process that a handler has forked, and nothing is its to end."""
        return os.getpid() != self.host.estate.primary

    def begin(self) -> bool:
        """Start what runs beside the fleet, and wait for `on_starting`; False: it is to stop.

        Raises AppError where that failed: nothing is to be started then.
        """
        telling.say_started(self.host.estate)
        self._aides.start(time.monotonic())
        return self._aides.run_first("on_starting", self._signals)

    def run(self) -> int:
        """Run the fleet, after `begin`, until it has ended. Returns the exit code.

        Raises AppError or SettingsError where nothing ever served.
        """
        code = self.primary.run()
        self._server.finish(code)
        log.info("stopped", exit_code=int(code))
        what = "the application" if self.host.estate.main is None else "the pool"
        telling.explain(code, self.fleet, what)
        return code
