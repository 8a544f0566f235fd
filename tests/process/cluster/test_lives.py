"""How workers of a script begin and end, as Node's own tests have it."""

import os
import signal

import pytest
from tests.process.cluster.conftest import SERVING, RunCluster
from tests.support import processes
from tests.support.asking import ask

WATCH = """
for event in ("fork", "online", "listening", "disconnect"):
    @cluster.on(event)
    def note_event(worker, *, event=event):
        tell(event, worker.id, worker.state, worker.pid)
@cluster.on("exit")
def note(worker, code, signal):
    tell("exit", worker.id, code, signal, worker.exited_after_disconnect, list(cluster.workers))
"""


def test_worker_id_variable_removed_at_start(run_cluster: RunCluster) -> None:
    made = run_cluster(
        "cluster.fork()\ncluster.run()",
        """
        import subprocess
        left = [name for name in os.environ if name in ("PREFORK_WORKER_ID", "PREFORK_BIRTH")]
        asked = "from prefork import cluster; print(cluster.is_primary, cluster.is_worker)"
        said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
        tell("worker", cluster.is_primary, cluster.is_worker, cluster.worker.id, left, said.stdout)
        """,
    )
    assert made.wait() == 0
    assert made.told("worker") == [["worker", False, True, 1, [], "True False\n"]]


@pytest.mark.parametrize(
    ("end", "code", "number"),
    [
        ("sys.exit(0)", 0, None),
        ("sys.exit(42)", 42, None),
        ("raise RuntimeError('crash')", 1, None),
        ("os.kill(os.getpid(), signal.SIGTERM)", 0, None),
        ("os.kill(os.getpid(), signal.SIGUSR1)", None, 10),
        ("os.abort()", None, 6),
    ],
    ids=["0", "42", "exception", "SIGTERM", "SIGUSR1", "SIGABRT"],
)
def test_exit_code_and_signal_reported_exactly_each_event_once(
    run_cluster: RunCluster, end: str, code: int | None, number: int | None
) -> None:
    made = run_cluster(WATCH + "cluster.fork()\ncluster.run()", end)
    assert made.wait() == 0
    assert made.told() == [
        ["fork", 1, "none", made.told("fork")[0][3]],
        ["online", 1, "online", made.told("online")[0][3]],
        ["disconnect", 1, "disconnected", made.told("disconnect")[0][3]],
        ["exit", 1, code, number, False, []],
    ]


def test_sigkilled_worker_code_none_voluntary_false_map_empty(
    run_cluster: RunCluster, policy: str
) -> None:
    primary = WATCH + f"cluster.policy = {policy!r}\ncluster.fork()\ncluster.run()"
    made = run_cluster(primary)
    [[*_, pid]] = made.wait_told("listening")
    os.kill(pid, signal.SIGKILL)
    assert made.wait_told("exit") == [["exit", 1, None, 9, False, []]]


def test_kill_works_on_a_worker_in_an_endless_loop(run_cluster: RunCluster) -> None:
    made = run_cluster(
        WATCH + "worker = cluster.fork()\nworker.on('online', worker.kill)\ncluster.run()",
        "while True: pass",
    )
    assert made.wait() == 0
    assert made.told("exit") == [["exit", 1, None, 9, False, []]]


def test_ids_are_never_reused_and_slots_are(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        workers = [cluster.fork() for _ in range(3)]
        tell("first", [(each.id, each.slot) for each in workers])
        @cluster.on("exit")
        def again(worker):
            if worker.id == 2:
                new = cluster.fork()
                tell("second", new.id, new.slot)
        told = set()
        @cluster.on("message")
        def note(worker, message):
            told.add(worker.id)
            if told == {1, 3, 4}:
                cluster.disconnect()
        workers[1].on("online", workers[1].kill)
        cluster.run()
        """,
        """
        tell("slot", cluster.worker.id, cluster.worker.slot, os.environ["PREFORK_SLOT"])
        if cluster.worker.id != 2:
            cluster.worker.send("told")
        cluster.run()
        """,
    )
    assert made.wait() == 0
    assert made.told("first") == [["first", [[1, 0], [2, 1], [3, 2]]]]
    assert made.told("second") == [["second", 4, 1]]
    assert {tuple(line[1:]) for line in made.told("slot")} >= {
        (1, 0, "0"),
        (3, 2, "2"),
        (4, 1, "1"),
    }


@pytest.mark.parametrize("how", ["SIGKILL", "crash"])
def test_primary_killed_or_crashed_all_workers_gone(
    run_cluster: RunCluster, how: str, policy: str
) -> None:
    made = run_cluster(
        WATCH
        + f"""
        cluster.policy = {policy!r}
        for _ in range(4): cluster.fork()
        cluster.call_later(60, os.abort)
        @cluster.on("message")
        def crash(worker, message): os.abort()
        cluster.run()
        """.replace("\n        ", "\n"),
        """
        async def handler(request):
            if request.path == "/crash": cluster.worker.send("crash")
            return "hello"
        tell("pid", os.getpid())
        cluster.serve(handler, port=0)
        """,
    )
    pids = [line[3] for line in made.wait_told("listening", count=4)]
    with processes.Watch(pids) as watch:
        made.signal(signal.SIGKILL if how == "SIGKILL" else signal.SIGABRT)
        assert made.wait() < 0
        assert watch.left(timeout=20) == []


def test_unexpected_loss_of_the_primary_the_worker_leaves(run_cluster: RunCluster) -> None:
    made = run_cluster(
        WATCH + "for _ in range(2): cluster.fork()\ncluster.run()",
        """
        async def main():
            tell("pid", os.getpid())
            if cluster.worker.slot == 1:
                while True: pass
            await asyncio.Event().wait()
        cluster.run(main)
        """,
    )
    pids = [line[1] for line in made.wait_told("pid", count=2)]
    with processes.Watch(pids) as watch:
        made.signal(signal.SIGKILL)
        assert watch.left(timeout=20) == []


def test_the_primarys_own_error_handler_decides_its_exit_code(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        for _ in range(2): cluster.fork()
        @cluster.on("error")
        def decide(error):
            tell("error", str(error))
            sys.exit(42)
        @cluster.on("listening")
        def fail(worker):
            if len([each for each in cluster.workers.values() if each.state == "listening"]) == 2:
                raise ValueError("no more")
        cluster.run()
        """
    )
    assert made.wait() == 42
    assert made.told("error") == [["error", "no more"]]
    assert not made.leftovers()


def test_environment_and_cwd_per_fork(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        os.mkdir("below")
        cluster.fork({"SHADE": "red"})
        cluster.setup_primary(cwd="below", args=["a", "b"])
        cluster.fork()
        cluster.run()
        """,
        "tell('born', cluster.worker.id, os.environ.get('SHADE'), os.path.basename(os.getcwd()),"
        " sys.argv[1:])",
        "x",
    )
    assert made.wait() == 0
    first, second = sorted(made.told("born"))
    assert first[2:] == ["red", first[3], ["x"]]
    assert first[3].startswith("home")
    assert second[2:] == [None, "below", ["a", "b"]]


def test_settings_cumulative(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        cluster.on("setup", lambda settings: tell("setup", settings))
        cluster.setup_primary(args=["a"], policy="least")
        cluster.setup_primary(cwd="/")
        tell("now", dict(cluster.settings))
        cluster.fork()
        try:
            cluster.setup_primary(policy="rr")
        except Exception as error:
            tell("refused", str(error))
        cluster.run()
        """,
        "tell('born', sys.argv[1:], os.getcwd())",
    )
    assert made.wait() == 0
    both = {"args": ["a"], "policy": "least", "cwd": "/"}
    assert made.told("now") == [["now", both]]
    assert made.told("setup") == [["setup", {"args": ["a"], "policy": "least"}], ["setup", both]]
    assert made.told("refused") == [["refused", "policy must be set before the first fork()"]]
    assert made.told("born") == [["born", ["a"], "/"]]


def test_stdout_flushed_before_exit(run_cluster: RunCluster) -> None:
    made = run_cluster(
        "cluster.fork()\ncluster.run()",
        """
        async def main():
            print("x" * 200_000)
            await cluster.disconnect()
        cluster.run(main)
        print("last words", end="")
        """,
    )
    assert made.wait() == 0
    assert made.output.ended()
    assert made.output.text.splitlines() == ["x" * 200_000, "last words"]


def test_one_that_dies_young_is_forked_again_after_a_while(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        cluster.fork()
        exits = []
        @cluster.on("exit")
        def again(worker):
            exits.append(worker.id)
            tell("exit", worker.id)
            cluster.fork()
        def end():
            if len(exits) > 1:
                sys.exit()
            cluster.call_later(0.1, end)
        cluster.call_later(2, end)
        cluster.run()
        """,
        "sys.exit(1)",
    )
    made.wait()
    assert 2 <= len(made.told("exit")) <= 12


def test_a_reload_forks_one_waits_until_it_listens_and_disconnects_its_elder(
    run_cluster: RunCluster, policy: str
) -> None:
    made = run_cluster(
        WATCH + f"cluster.policy = {policy!r}\nfor _ in range(2): cluster.fork()\ncluster.run()"
    )
    made.wait_told("listening", count=2)
    made.signal(signal.SIGHUP)
    made.wait_told("exit", count=2)
    assert [line[:2] for line in made.told() if line[0] in ("fork", "listening", "exit")][4:] == [
        ["fork", 3],
        ["listening", 3],
        ["exit", 1],
        ["fork", 4],
        ["listening", 4],
        ["exit", 2],
    ] or len(made.told("fork")) == 4
    assert {line[4] for line in made.told("exit")} == {True}
    made.signal(signal.SIGTERM)
    assert made.wait() == 0


def test_a_reload_brings_a_worker_with_the_environment_of_its_elder(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        WATCH + "cluster.fork(env={'ROLE': 'jobs'})\ncluster.fork()\ncluster.run()",
        "tell('role', cluster.worker.slot, os.environ.get('ROLE'))" + SERVING,
    )
    made.wait_told("listening", count=2)
    made.signal(signal.SIGHUP)
    made.wait_told("exit", count=2)
    assert sorted(made.told("role"), key=str) == [
        ["role", 0, "jobs"],
        ["role", 0, "jobs"],
        ["role", 1, None],
        ["role", 1, None],
    ]
    made.signal(signal.SIGTERM)
    assert made.wait() == 0


def test_a_reload_is_the_scripts_own_where_it_says_so(run_cluster: RunCluster) -> None:
    made = run_cluster(
        WATCH + "cluster.fork()\ncluster.on('reload', lambda: tell('reload'))\ncluster.run()"
    )
    made.wait_told("listening")
    made.signal(signal.SIGHUP)
    made.wait_told("reload")
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
    assert len(made.told("fork")) == 1


def test_all_workers_gone_connections_wait_for_the_next(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        @cluster.on("listening")
        def note(worker, address): tell("port", address.port, worker.pid)
        cluster.fork()
        cluster.on("exit", lambda: cluster.call_later(0.3, cluster.fork))
        cluster.run()
        """
    )
    [[_, port, pid]] = made.wait_told("port")
    os.kill(pid, signal.SIGKILL)
    assert ask(port, "/").status == 200


def test_a_cluster_ends_when_nothing_is_left_to_do_whatever_came_last(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        """
        cluster.on("exit", lambda: cluster.call_later(0.1, lambda: tell("timer")))
        cluster.fork()
        cluster.run()
        tell("over")
        """,
        "pass",
    )
    assert made.wait() == 0
    assert made.told() == [["timer"], ["over"]]
    assert run_cluster("cluster.run()").wait() == 0


def test_a_cluster_that_has_ended_says_so(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        cluster.fork()
        cluster.run()
        for again in (cluster.fork, cluster.run, cluster.disconnect):
            try:
                again()
            except RuntimeError as error:
                tell("refused", str(error))
        """,
        "pass",
    )
    assert made.wait() == 0
    assert made.told() == 3 * [["refused", "this cluster has ended: its run() has returned"]]


def test_a_process_that_a_handler_forks_ends_alone(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        @cluster.on("listening")
        def fork_one(worker, address):
            child = os.fork()
            if child == 0:
                sys.exit(3)
            os.waitpid(child, 0)
            tell("port", address.port)
        @cluster.on("exit")
        def note(worker, code, signal):
            tell("exit", code, signal)
        cluster.fork()
        cluster.run()
        """
    )
    [[_, port]] = made.wait_told("port")
    assert ask(port, "/").status == 200
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
    assert made.told("exit") == [["exit", 0, None]]


def test_an_exit_handler_that_forks_for_each_that_goes_needs_not_know_of_reloads(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        WATCH
        + """
for _ in range(2): cluster.fork()
cluster.on("exit", lambda *_: tell("forked", cluster.fork().id, len(cluster.workers)))
cluster.run()
"""
    )
    made.wait_told("listening", count=2)
    for count in (2, 4):
        made.signal(signal.SIGHUP)
        made.wait_told("forked", count=count)
    ids = sorted(line[1] for line in made.told("fork"))
    assert ids == [1, 2, 3, 4, 5, 6]
    [*_, pid] = made.told("listening")[-1]
    os.kill(pid, signal.SIGKILL)
    assert made.wait_told("forked", count=5)[-1][1:] == [7, 2]


def test_a_mistake_is_one_line_and_its_exit_code(run_cluster: RunCluster) -> None:
    for source, code, said in (
        ("cluster.serve(print)", 1, "this is the primary: serve() is for workers"),
        ("cluster.publish('a', 1)", 1, "this is the primary: publish() is for workers"),
        ("asyncio.run(cluster.wait())", 1, "this is the primary: wait() is for workers"),
        ("cluster.fork().kill('SIGNONE')", 1, "no such signal 'SIGNONE'"),
    ):
        made = run_cluster(source)
        assert made.wait() == code
        assert said in made.journal.text


def test_a_birth_that_somebody_has_made_up_is_one_line(run_cluster: RunCluster) -> None:
    made = run_cluster("tell('primary')", env={"PREFORK_BIRTH": "{}", "PREFORK_WORKER_ID": "1"})
    assert made.wait() == 1
    [line] = made.journal.text.splitlines()
    assert line.startswith("prefork: error: PREFORK_BIRTH is not ours, so unset it: ")
    assert made.told() == []


def test_a_worker_is_told_that_it_calls_nothing_when_it_has_left(run_cluster: RunCluster) -> None:
    made = run_cluster(
        "cluster.fork()\ncluster.run()",
        """
        async def main():
            try:
                await cluster.disconnect(print)
            except TypeError as error:
                tell("refused", str(error))
            await cluster.disconnect()
        cluster.run(main)
        """,
    )
    assert made.wait() == 0
    assert made.told() == [["refused", "a worker calls nothing then: await disconnect()"]]


def test_a_worker_that_waits_to_lead_does_so_whether_it_listens_or_not(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        "cluster.fork()\ncluster.on('leader', lambda worker: tell('leader', worker.id))\n"
        "cluster.run()",
        "async def main():\n    await cluster.worker.leader()\n    tell('leads')\n"
        "    await cluster.disconnect()\ncluster.run(main)",
    )
    assert made.wait() == 0
    assert made.told("leads")
    assert made.told("leader") == [["leader", 1]]
