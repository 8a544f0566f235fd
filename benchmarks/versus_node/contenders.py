"""The two that are compared: one script, written for Node's cluster and for prefork's."""

import sys
from pathlib import Path

from benchmarks.servers import Server
from benchmarks.versus.contenders import App, Contender
from tests.support.program import ROOT

SCRIPT = App("script", Path(__file__).parent)  # in both languages
BOTH = ("prefork", "node")


def scripted(app: App, ending: str, prefix: tuple[str, ...], options: tuple[str, ...]) -> Server:
    script = str(app.home / f"{app.name}.{ending}")
    return Server(ending, lambda port: [*prefix, script, "--port", str(port), *options])


def prefork(app: App, workers: int, options: tuple[str, ...]) -> Server:
    quiet = ("env", f"PYTHONPATH={ROOT}", "PREFORK_LOG_LEVEL=warning", sys.executable)
    return scripted(app, "py", quiet, ("--workers", str(workers), *options))


def node(app: App, workers: int, options: tuple[str, ...]) -> Server:
    return scripted(app, "js", ("node",), ("--workers", str(workers), *options))


CONTENDERS = (Contender(name="prefork", serves=prefork), Contender(name="node", serves=node))
