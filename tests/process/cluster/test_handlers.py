"""What the primary's code may do in its handlers, and the loop goes on."""

import signal

from tests.process.cluster.conftest import RunCluster
from tests.process.conftest import RunScript


def test_asking_again_whenever_there_was_no_answer_lets_other_things_happen(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        """
        worker = cluster.fork()
        def ask_again(reply, error):
            worker.request("q", 1, ask_again)
        @cluster.on("exit")
        def begin(worker):
            ask_again(None, None)
            cluster.call_later(0.2, lambda: tell("later"))
        cluster.run()
        """,
        "pass",
    )
    made.wait_told("later")
    made.signal(signal.SIGTERM)
    assert made.wait() == 0


def test_a_handler_of_reload_does_something_first_and_then_has_it_done(script: RunScript) -> None:
    made = script("""
        from prefork import Cluster
        fleet = Cluster("tests.support.apps:app", bind="127.0.0.1:0")
        @fleet.on("reload")
        def prepare():
            tell("reload")
            fleet.reload()
        fleet.on("listening", lambda worker: tell("listening", worker.generation))
        fleet.run()
    """)
    made.wait_told("listening")
    made.signal(signal.SIGHUP)
    assert made.wait_told("listening", count=2)[1] == ["listening", 2]
    assert len(made.told("reload")) == 1
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
