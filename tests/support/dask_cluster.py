"""A real Dask cluster, started by a test: a scheduler on a port of its own, and Dask workers."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.journal import Journal

ROOT = Path(__file__).resolve().parents[2]


class DaskCluster:
    """Its workers have nannies, and import what the tests do. *place*: a directory for files."""

    def __init__(self, place: Path, workers: int, threads: int = 1) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self._place = place
        self._workers = [
            "worker", f"tcp://{self.address}", f"--nworkers={workers}", f"--nthreads={threads}",
            "--host=127.0.0.1", "--local-directory", str(place),
        ]  # fmt: skip
        self._processes: list[tuple[subprocess.Popen[bytes], Journal]] = []

    def start(self) -> None:
        """Return when the scheduler takes connections; the workers may yet come."""
        host, _, port = self.address.partition(":")
        scheduler = self._run(["scheduler", f"--host={host}", f"--port={port}"])
        scheduler.wait_for_line("Scheduler at:")
        self._run(self._workers)

    def stop(self) -> None:
        """Kill all, with whatever the workers are at."""
        while self._processes:
            process, journal = self._processes.pop()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            journal.ended()
            print(f"--- {process.args!r} said:\n{journal.text}")

    def _run(self, arguments: list[str]) -> Journal:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, "--dashboard-address=127.0.0.1:0"],
            cwd=self._place,
            env={**os.environ, "PYTHONPATH": str(ROOT)},  # noqa: TID251
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that all that come of it can be killed
        )
        assert process.stdout is not None
        journal = Journal(os.dup(process.stdout.fileno()))
        process.stdout.close()
        self._processes.append((process, journal))
        return journal
