"""What a script says before it forks, and what is done before that."""

import signal

import pytest
from tests.process.cluster.conftest import RunCluster

HOOKED = """
with open("hooks.py", "w") as file:
    file.write({source!r})
cluster.setup_primary(on_starting="hooks:prepare")
cluster.on("exit", lambda worker, code, signal: tell("exit", worker.id, code, signal))
"""
SLOW = """
import os, time
def prepare(instance):
    os.write(1, b'["begins"]\\n')
    time.sleep({seconds})
    os.write(1, b'["done"]\\n')
"""
BROKEN = "def prepare(instance): raise RuntimeError('no database')"


def hooked(source: str) -> str:
    return HOOKED.format(source=source)


def test_on_starting_is_done_before_anything_is_forked(run_cluster: RunCluster) -> None:
    made = run_cluster(
        hooked(SLOW.format(seconds=0.3)) + "cluster.fork()\ntell('forked')\ncluster.run()",
        "sys.exit(2)",
    )
    assert made.wait() == 0
    assert made.told() == [["begins"], ["done"], ["forked"], ["exit", 1, 2, None]]


def test_where_on_starting_fails_nothing_is_forked(run_cluster: RunCluster) -> None:
    made = run_cluster(hooked(BROKEN) + "cluster.fork()\ntell('forked')\ncluster.run()")
    assert made.wait() == 4
    assert made.told() == []
    last = made.journal.text.splitlines()[-1]
    assert last == "prefork: error: the hook on_starting failed, so nothing is started"
    assert not made.leftovers()


def test_a_stop_during_on_starting_ends_the_script_before_it_forks(run_cluster: RunCluster) -> None:
    made = run_cluster(
        hooked(SLOW.format(seconds=60)) + "cluster.fork()\ntell('forked')\ncluster.run()"
    )
    made.wait_told("begins")
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
    assert made.told() == [["begins"]]
    assert not made.leftovers()


def test_workers_get_the_arguments_that_the_program_got_whatever_became_of_them(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        "tell(sys.argv.pop(1))\nsys.argv.append('c')\ncluster.fork()\ncluster.run()",
        "tell('worker', sys.argv[1:])",
        "a",
        "b",
    )
    assert made.wait() == 0
    assert made.told() == [["a"], ["worker", ["a", "b"]]]


def test_a_variable_that_is_for_no_script_does_nothing_in_one(run_cluster: RunCluster) -> None:
    variables = {"PREFORK_POOL": "2", "PREFORK_BIND": "nonsense", "PREFORK_APP_LOG_LEVEL": "info"}
    made = run_cluster(
        "tell('primary', cluster.policy)\ncluster.fork()\ncluster.run()",
        "tell('worker')",
        env=variables | {"PREFORK_POLICY": "least"},
    )
    assert made.wait() == 0
    assert made.told() == [["primary", "least"], ["worker"]]


def test_the_environment_names_a_script_too_unless_it_names_itself(run_cluster: RunCluster) -> None:
    named = "cluster.fork()\ncluster.run()"
    first = run_cluster(named, "pass", env={"PREFORK_NAME": "shop"})
    assert first.wait() == 0
    assert '"name":"shop"' in first.journal.text.replace(" ", "")
    second = run_cluster(
        "cluster.setup_primary(name='till')\n" + named, "pass", env={"PREFORK_NAME": "shop"}
    )
    assert second.wait() == 0
    assert '"name":"till"' in second.journal.text.replace(" ", "")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("bind='127.0.0.1:1'", "bind does nothing in a script: serve() and listen() say it in a"),
        ("post_fork='m:f'", "post_fork does nothing in a script: do it in the script itself"),
        ("pool=2", "pool does nothing in a script: a pool belongs to a declared fleet, or to pre"),
        ("pool_max_tasks=5", "pool_max_tasks does nothing in a script: a pool belongs to a dec"),
        ("port=8000", "port does nothing in a script: serve() and listen() say it in a worker"),
        ("args='--quick'", "args must be a list, not str"),
        ("cwd=5", "cwd must be a path, not int"),
    ],
)
def test_what_would_do_nothing_or_something_else_is_refused_where_it_is_said(
    run_cluster: RunCluster, said: str, answer: str
) -> None:
    made = run_cluster(f"""
        try:
            cluster.setup_primary({said})
        except Exception as error:
            tell("refused", str(error), dict(cluster.settings))
    """)
    assert made.wait() == 0
    [[_, told, settings]] = made.told()
    assert told.startswith(answer)
    assert settings == {}


def test_a_policy_may_be_chosen_until_there_are_workers(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        cluster.setup_primary(log_level="info")
        cluster.policy = "least"
        cluster.fork()
        try:
            cluster.policy = "rr"
        except Exception as error:
            tell(str(error), cluster.policy)
        cluster.run()
        """,
        "pass",
    )
    assert made.wait() == 0
    assert made.told() == [["policy must be set before the first fork()", "least"]]


def test_a_name_that_is_taken_is_told_in_one_line(run_cluster: RunCluster) -> None:
    """By its exit code, too, whoever starts the script may know."""
    first = run_cluster(
        "cluster.setup_primary(control='../shop.sock')\ncluster.fork()\ncluster.run()",
        "tell('there')\ncluster.run()",
    )
    first.wait_told("there")
    second = run_cluster(
        "cluster.setup_primary(control='../shop.sock')\ncluster.fork()\ncluster.run()"
    )
    assert second.wait() == 5
    [line] = second.journal.text.splitlines()
    assert line.startswith("prefork: error: ")
