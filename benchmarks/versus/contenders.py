"""The servers that are compared, each with the options that the rows need."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import servers
from benchmarks.servers import Server
from benchmarks.versus import wayward
from tests.support.deploys import APP
from tests.support.program import ROOT

PYTHON = ("prefork", "uvicorn", "gunicorn", "granian", "hypercorn")
EVERYONE = (*PYTHON, "nginx")
NGINX = """\
daemon off; pid nginx.pid; worker_processes {workers}; user {user}; error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{ listen 127.0.0.1:{port}; return 200 "$pid 1"; }}
}}
"""


@dataclass(frozen=True, slots=True)
class App:
    """An application, and the folder that it is imported from."""

    name: str
    home: Path


WAYWARD = App(wayward.MODULE, ROOT)


def deployed(home: Path) -> App:
    return App(APP, home)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    name: str
    serves: Callable[[App, int, tuple[str, ...]], Server]  # the application, workers, options
    grace: str = ""  # the option that bounds a stop
    exits: tuple[str, ...] = ()  # options by which it logs how many connections died with a worker

    def serve(self, app: App, workers: int, *options: str) -> Server:
        return self.serves(app, workers, options)

    @property
    def is_here(self) -> bool:
        return shutil.which(self.name) is not None or (servers.BIN / self.name).exists()


def nginx(app: App, workers: int, _options: tuple[str, ...]) -> Server:
    """Answer as the applications do: nginx itself knows the pid of its worker."""

    def command(port: int) -> list[str]:
        user = "root" if os.geteuid() == 0 else "nobody"  # the folder is its owner's alone
        written = NGINX.format(workers=workers, port=port, user=user)
        (app.home / "nginx.conf").write_text(written)
        return ["nginx", "-p", str(app.home), "-c", "nginx.conf"]

    return Server("nginx", command)


CONTENDERS = (
    Contender(
        name="prefork",
        serves=lambda app, n, more: servers.prefork("", app.name, app.home, *numbering(n), *more),
        grace="--graceful-timeout",
        exits=("--log-level", "info", "--log-format", "json"),
    ),
    Contender(
        name="uvicorn",
        serves=lambda app, n, more: servers.uvicorn(app.name, app.home, *numbering(n), *more),
        grace="--timeout-graceful-shutdown",
    ),
    Contender(
        name="gunicorn",
        serves=lambda app, n, more: servers.gunicorn("", app.name, app.home, *numbering(n), *more),
        grace="--graceful-timeout",
    ),
    Contender(
        name="granian",
        serves=lambda app, n, more: servers.granian(
            app.name, app.home, *numbering(n), "--respawn-failed-workers", *more
        ),
        grace="--workers-kill-timeout",
    ),
    Contender(
        name="hypercorn",
        serves=lambda app, n, more: servers.hypercorn(app.name, app.home, *numbering(n), *more),
        grace="--graceful-timeout",
    ),
    Contender(name="nginx", serves=nginx),
)


def numbering(workers: int) -> tuple[str, str]:
    return ("--workers", str(workers))
