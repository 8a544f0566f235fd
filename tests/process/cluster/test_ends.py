"""How a script's worker ends that is told to stop before, while and after its event loop runs."""

import signal

import pytest
from tests.process.cluster.conftest import RunCluster
from tests.process.conftest import RunScript
from tests.support.asking import Caller

from prefork.errors import ExitCode

PRIMARY = """
@cluster.on("message")
def note_message(worker, message): tell("heard", message)
@cluster.on("listening")
def note_listening(worker, address): tell("listening", address.port)
@cluster.on("exit")
def note_exit(worker, code, signal): tell("exit", code, signal, worker.exited_after_disconnect)
"""
RUN = "cluster.fork()\ncluster.run()\n"


@pytest.mark.parametrize(
    "busy",
    ["tell('born'); time.sleep(60)", "asyncio.run(sleep())", "work()"],
    ids=["asleep", "in a loop that nobody told us of", "at work"],
)
def test_one_that_has_not_begun_to_live_ends_at_once_and_well(
    run_cluster: RunCluster, busy: str
) -> None:
    made = run_cluster(
        PRIMARY + RUN,
        f"""
        import time
        async def sleep():
            tell("born")  # not before: asyncio complains of a loop that is half made
            await asyncio.sleep(60)
        def work():
            tell("born")
            while True: pass
        try:
            {busy}
        finally:
            tell("finally")
        """,
    )
    made.wait_told("born")
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
    assert made.told() == [["born"], ["finally"], ["exit", 0, None, True]]
    assert "Traceback" not in made.journal.text


def test_one_whose_threads_would_be_waited_for_is_ended_with_them(run_cluster: RunCluster) -> None:
    made = run_cluster(
        PRIMARY + RUN,
        """
        import threading, time
        threading.Thread(target=time.sleep, args=[60]).start()
        tell("born")
        time.sleep(60)
        """,
    )
    made.wait_told("born")
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
    assert made.told() == [["born"], ["exit", None, signal.SIGTERM, True]]


def test_one_that_has_a_handler_of_its_own_keeps_it(script: RunScript) -> None:
    made = script("""
        import signal, time
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
        from prefork import cluster
        if cluster.is_primary:
            cluster.on("exit", lambda worker, code, signal: tell("exit", code))
            cluster.fork()
            cluster.run()
        else:
            tell("born")
            time.sleep(60)
    """)
    made.wait_told("born")
    made.signal(signal.SIGTERM)
    made.wait()
    assert made.told() == [["born"], ["exit", 3]]


def test_one_whose_first_import_is_on_a_thread_is_a_worker_nonetheless(
    script: RunScript,
) -> None:
    made = script("""
        import importlib, threading
        first = threading.Thread(target=importlib.import_module, args=["prefork.cluster"])
        first.start()
        first.join()
        from prefork import cluster
        if cluster.is_primary:
            cluster.fork()
            cluster.run()
        else:
            tell("worker", cluster.worker.id)
    """)
    assert made.wait() == 0
    assert made.told() == [["worker", 1]]


def test_one_whose_event_loop_has_ended_ends_at_once_and_well(run_cluster: RunCluster) -> None:
    made = run_cluster(
        PRIMARY + RUN,
        """
        import time
        async def handler(request): return "x"
        async def main():
            await cluster.listen(handler)
            await asyncio.sleep(0)
        asyncio.run(main())
        tell("ended")
        time.sleep(60)
        """,
    )
    made.wait_told("ended")
    made.wait_told("listening")
    made.signal(signal.SIGTERM)
    assert made.wait() == ExitCode.CUT, "it had left in the middle"
    assert made.told("exit") == [["exit", 0, None, True]]


def test_a_second_event_loop_is_refused_where_the_first_has_served(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        PRIMARY + "cluster.on('exit', lambda: cluster.disconnect())\n" + RUN,
        """
        async def handler(request): return "x"
        async def main(): await cluster.listen(handler)
        asyncio.run(main())
        try:
            cluster.serve(handler)
        except RuntimeError as error:
            tell("refused", str(error))
        """,
    )
    [[_, reason]] = made.wait_told("refused")
    assert reason.startswith("this worker lives, or lived, in another event loop")
    assert made.wait() == 0


def test_messages_go_on_in_the_event_loop_of_another_try(run_cluster: RunCluster) -> None:
    made = run_cluster(
        PRIMARY + "worker = cluster.fork()\nworker.send('hello')\ncluster.run()",
        """
        heard = []
        @cluster.worker.on_message
        def note(message):
            tell("worker", message)
            cluster.worker.send(f"{message} yourself")
        async def handler(request): return "x"
        try:
            cluster.serve(handler, host="192.0.2.1")
        except OSError:
            cluster.worker.send("refused")
        async def main():
            await cluster.listen(handler)
            cluster.worker.send("listening")
        cluster.run(main)
        """,
    )
    made.wait_told("heard", count=3)
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
    assert {line[1] for line in made.told("heard")} == {"hello yourself", "refused", "listening"}
    assert made.told("worker") == [["worker", "hello"]]


@pytest.mark.parametrize("run", ["cluster.run(main)", "asyncio.run(main())"])
def test_one_that_waits_to_lead_ends_well_though_the_deadline_is_near(
    run_cluster: RunCluster, run: str
) -> None:
    made = run_cluster(
        PRIMARY
        + "cluster.setup_primary(graceful_timeout=0.8)\n"
        + "for _ in range(2): cluster.fork()\ncluster.run()",
        f"""
        async def handler(request): return "x"
        async def main():
            await cluster.listen(handler, port=0)
            while True:
                await cluster.worker.leader()
                tell("leads", cluster.worker.is_leader)
                await cluster.disconnect()
        {run}
        """,
    )
    made.wait_told("exit", count=2)
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
    assert made.told("leads") == 2 * [["leads", True]]
    assert made.told("exit") == 2 * [["exit", 0, None, True]]


def test_one_that_gave_up_waiting_ends_nonetheless(run_cluster: RunCluster) -> None:
    made = run_cluster(
        PRIMARY + RUN,
        """
        async def handler(request): return "x"
        async def main():
            await cluster.listen(handler)
            try:
                await asyncio.wait_for(cluster.wait(), 0.01)
            except TimeoutError:
                tell("not yet")
            await asyncio.Event().wait()
        asyncio.run(main())
        """,
    )
    made.wait_told("not yet")
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
    assert made.told("exit") == [["exit", 0, None, True]]


def test_to_wait_in_a_loop_of_ours_is_a_mistake_that_is_named(run_cluster: RunCluster) -> None:
    made = run_cluster(PRIMARY + RUN, "cluster.run(cluster.wait)")
    assert made.wait() == 0
    assert "RuntimeError: run() waits by itself" in made.journal.text
    assert made.told("exit") == [["exit", 1, None, False]]


def test_an_argument_of_another_type_is_named_where_it_was_given(run_cluster: RunCluster) -> None:
    serving = "async def handler(request): return 'x'\ncluster.serve(handler, port='8000')"
    made = run_cluster(PRIMARY + RUN, serving)
    assert made.wait() == 0
    assert "TypeError: port must be int, not str" in made.journal.text
    assert made.told("exit") == [["exit", 1, None, False]]
    assert "child_misbehaved" not in made.journal.text


def test_a_shutdown_is_run_though_a_request_that_was_cut_takes_its_time(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        PRIMARY + "cluster.setup_primary(graceful_timeout=0.3)\n" + RUN,
        """
        async def app(scope, receive, send):
            if scope["type"] == "http":
                tell("begun")
                try:
                    await asyncio.sleep(60)
                finally:
                    await asyncio.sleep(1)
            for what in "startup", "shutdown":
                await receive()
                tell(what)
                await send({"type": f"lifespan.{what}.complete"})
        cluster.serve(app)
        """,
    )
    [[_, port]] = made.wait_told("listening")
    caller = Caller(port, 0)
    caller.send("/")
    made.wait_told("begun")
    made.signal(signal.SIGTERM)
    assert made.wait() == ExitCode.CUT
    assert made.told("shutdown")
    assert "shutdown_cut" not in made.journal.text
    caller.close()
