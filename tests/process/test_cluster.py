"""The declarative idiom: `Cluster("app:handler").run()`, a fleet that tells what befalls it."""

import os
import signal
import textwrap

from tests.process.conftest import RunScript
from tests.support.asking import ask

DECLARED = """
from prefork import Cluster
cluster = Cluster("tests.support.apps:app", workers=2, bind="127.0.0.1:0", graceful_timeout=5)
for event in ("fork", "online", "disconnect"):
    cluster.on(event, lambda worker, *, event=event: tell(event, worker.id, worker.state))

@cluster.on("listening")
def note_listening(worker, address):
    tell("listening", worker.id, worker.pid, address.port)

@cluster.on("exit")
def note_exit(worker, code, signal):
    tell("exit", worker.id, code, signal, worker.exited_after_disconnect, list(cluster.workers))
"""


def test_a_declared_fleet_respawns_reloads_and_stops_and_each_event_is_told_once(
    script: RunScript,
) -> None:
    made = script(DECLARED + "cluster.run()\ntell('end')")
    first, _ = made.wait_told("listening", count=2)
    port = first[3]
    assert ask(port, "/").status == 200
    made.signal(signal.SIGHUP)
    made.wait_told("listening", count=4)
    made.wait_told("exit", count=2)
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
    assert made.told("end")
    assert not made.leftovers()
    for event in ("fork", "online", "listening", "disconnect", "exit"):
        ids = [line[1] for line in made.told(event)]
        assert sorted(ids) == sorted(set(ids)), event
        assert len(ids) == 4, event
    assert {tuple(line[2:5]) for line in made.told("exit")} == {(0, None, True)}
    assert made.told("exit")[-1][5] == []


def test_a_worker_that_is_killed_exits_with_its_signal_and_nobody_asked_for_it(
    script: RunScript,
) -> None:
    made = script(DECLARED + "cluster.run()")
    first, _ = made.wait_told("listening", count=2)
    os.kill(first[2], signal.SIGKILL)
    [exited] = made.wait_told("exit")
    assert exited[1:5] == [first[1], None, signal.SIGKILL, False]
    assert first[1] not in exited[5]
    made.wait_told("listening", count=3)


def test_a_handler_ends_the_program_with_the_exit_code_of_its_choice(script: RunScript) -> None:
    source = DECLARED + "cluster.call_later(0.2, lambda: sys.exit(42))\ncluster.run()"
    made = script(source)
    assert made.wait() == 42
    assert not made.leftovers()


def test_the_primarys_code_scales_reloads_stops_and_kills(script: RunScript) -> None:
    source = """
    listening = []
    @cluster.on("listening")
    def steer(worker):
        listening.append(worker)
        match len(listening):
            case 2: cluster.scale(1)
            case 3: listening[0].kill()
            case 4: cluster.call_later(0, cluster.stop)
    cluster.run()
    """
    made = script(DECLARED + textwrap.dedent(source))
    assert made.wait() == 0
    assert made.told("exit")[0][1:5] == [made.told("listening")[0][1], None, 9, False]


def test_wrong_settings_are_all_named_before_anything_runs(script: RunScript) -> None:
    made = script(
        """
    from prefork import Cluster
    from prefork.errors import SettingsError
    for wrong in ({"workers": 0, "policy": "best"}, {"wrokers": 2}, {"port": 8000}):
        try:
            Cluster("app", **wrong)
        except SettingsError as error:
            tell("refused", str(error))
    """
    )
    assert made.wait() == 0
    told = [line[1] for line in made.told("refused")]
    assert "workers must be from 1 to 1024" in told[0]
    assert "policy must be" in told[0]
    assert told[1] == "no such setting: wrokers (did you mean 'workers'?)"
    assert told[2] == 'no such setting: port (write bind="HOST:PORT")'


def test_a_script_that_is_the_application_too_says_what_guard_it_lacks(script: RunScript) -> None:
    made = script(
        """
    from prefork import Cluster
    async def app(request):
        return "hello"
    Cluster("script:app", workers=1, bind="127.0.0.1:0").run()
    """
    )
    assert made.wait() != 0
    assert 'put what starts the cluster under if __name__ == "__main__"' in made.journal.text


def test_one_that_is_told_to_go_while_it_starts_goes_once_it_serves(script: RunScript) -> None:
    source = DECLARED + "cluster.once('fork', lambda worker: worker.disconnect())\ncluster.run()"
    made = script(source)
    made.wait_told("listening", count=3)
    [exited] = made.wait_told("exit")
    assert exited[1:5] == [made.told("fork")[0][1], 0, None, True]


def test_what_can_not_start_is_said_on_one_line_with_its_exit_code(script: RunScript) -> None:
    source = """
    from prefork import Cluster
    if __name__ == "__main__":
        Cluster(sys.argv[1], bind=sys.argv[2], workers=1).run()
    """
    for app, bind, code, said in (
        ("nowhere:app", "127.0.0.1:0", 3, "no such module 'nowhere'"),
        ("tests.support.apps:app", "192.0.2.1:1", 5, "cannot listen on 192.0.2.1:1"),
    ):
        made = script(source, app, bind)
        assert made.wait() == code
        [line] = [each for each in made.journal.text.splitlines() if "prefork: error" in each]
        assert said in line
        assert "Traceback" not in made.journal.text
