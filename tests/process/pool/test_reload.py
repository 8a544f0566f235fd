"""A reload under load: old tasks end in the old pool, new ones go to the new; none is lost."""

import json
import signal
import threading
from pathlib import Path

from tests.process.conftest import Serve
from tests.support.asking import ask

APP = "tests.support.pooled:handler"


class Asker(threading.Thread):
    """Asks for tasks without end, and keeps what came of them."""

    def __init__(self, port: int, path: Path) -> None:
        super().__init__()
        self._port = port
        self.path = path
        self.kinds: list[dict[str, int]] = []
        self.stops = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.stops.is_set():
            number = len(self.kinds)
            path = f"{self.path}.{number}"
            reply = ask(self._port, f"/many?count=20&seconds=0.01&path={path}")
            assert reply.status == 200, reply
            self.kinds.append(json.loads(reply.body)["kinds"])


def test_a_reload_under_load_loses_no_task_and_runs_none_twice(
    serve: Serve, tmp_path: Path
) -> None:
    program = serve("--pool", "2", "--workers", "2", "--min-uptime", "0.2", app=APP)
    askers = [Asker(program.port, tmp_path / str(n)) for n in range(3)]
    old = {each["pid"] for each in program.stats()["pool"]}
    for number in (2, 3):
        program.signal(signal.SIGHUP)
        program.journal.wait_for("reload_succeeded", count=number - 1)
    program.settled(lambda stats: {each["generation"] for each in stats["pool"]} == {3})
    for each in askers:
        each.stops.set()
        each.join()
    assert not old & {each["pid"] for each in program.stats()["pool"]}
    for each in askers:
        assert len(each.kinds) > 5
        assert all(kinds == {"done": 20} for kinds in each.kinds)
        for number in range(len(each.kinds)):
            ran = Path(f"{each.path}.{number}").read_text().split()
            assert sorted(ran, key=int) == [str(n) for n in range(20)]
    assert {entry["status"] for entry in program.journal.entries("pool_exited")} == {0}


def test_a_stop_waits_for_the_tasks_of_requests(serve: Serve) -> None:
    program = serve("--pool", "1", app=APP)
    replies = []
    thread = threading.Thread(target=lambda: replies.append(ask(program.port, "/pause?seconds=1")))
    thread.start()
    program.settled(lambda stats: stats["tasks"]["running"] == 1)
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    thread.join()
    assert [each.status for each in replies] == [200]
    assert not program.leftovers()
