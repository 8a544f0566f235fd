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


def test_what_a_disconnect_calls_may_fork_though_the_loop_does_not_run_yet(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        """
        cluster.on("exit", lambda worker, code, signal: tell("exit", worker.id, code))
        cluster.disconnect(cluster.fork)
        cluster.run()
        """,
        "pass",
    )
    assert made.wait() == 0
    assert made.told() == [["exit", 1, 0]]


def test_another_thread_is_refused_for_its_workers_would_end_with_it(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        """
        import threading
        def use():
            for what in (
                cluster.fork,
                cluster.disconnect,
                lambda: cluster.call_later(0, print),
                lambda: worker.send("a"),
                lambda: worker.request("a", 1, print),
                worker.disconnect,
                worker.kill,
            ):
                try:
                    what()
                except RuntimeError as error:
                    tell("refused", str(error))
        worker = cluster.fork()
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        cluster.on("exit", lambda worker, code, signal: tell("exit", worker.id, code, signal))
        cluster.run()
        """,
        "pass",
    )
    assert made.wait() == 0
    said = "a cluster lives in the main thread: it can't be used from another"
    assert made.told("refused") == 7 * [["refused", said]]
    assert made.told("exit") == [["exit", 1, 0, None]]


def test_what_would_have_to_be_awaited_is_refused_wherever_it_is_to_be_called(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        """
        async def later(*_): pass
        worker = cluster.fork()
        for what in (
            lambda: cluster.call_later(0, later),
            lambda: cluster.disconnect(later),
            lambda: worker.request("a", 1, later),
        ):
            try:
                what()
            except TypeError as error:
                tell("refused", str(error))
        """,
        "pass",
    )
    assert made.wait() == 0
    said = "__main__.later is async: the primary has no event loop; write a plain `def`"
    assert made.told() == 3 * [["refused", said]]


def test_one_that_is_killed_before_its_pid_is_known_dies_as_soon_as_that_is(
    script: RunScript,
) -> None:
    made = script("""
        from prefork import Cluster
        fleet = Cluster("tests.support.apps:app", bind="127.0.0.1:0")
        @fleet.on("fork")
        def kill(worker):
            tell("fork", worker.id, worker.pid)
            if worker.id == 2:
                worker.kill()
        fleet.on("exit", lambda worker, code, signal: tell("exit", worker.id, code, signal))
        fleet.run()
    """)
    assert made.wait_told("exit") == [["exit", 2, None, 9]]
    assert made.told("fork")[0] == ["fork", 2, None]
