"""Messages between a script's primary and its workers, through the API that users have."""

import pytest
from tests.process.cluster.conftest import RunCluster
from tests.process.conftest import RunScript
from tests.support.asking import ask
from tests.support.script import Script


def test_message_seen_by_both_worker_and_cluster_handlers_with_the_sender(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        """
        workers = [cluster.fork() for _ in range(2)]
        for each in workers:
            each.on("message", lambda message, *, id=each.id: tell("worker", id, message))
        cluster.on("message", lambda worker, message: tell("cluster", worker.id, message))
        cluster.run()
        """,
        "cluster.worker.send({'from': cluster.worker.id, 'data': [1, 2.5, None, 'ü']})\n"
        "async def main(): await cluster.disconnect()\n"
        "cluster.run(main)",
    )
    assert made.wait() == 0
    for id in (1, 2):
        message = {"from": id, "data": [1, 2.5, None, "ü"]}
        assert ["worker", id, message] in made.told()
        assert ["cluster", id, message] in made.told()
    assert len(made.told()) == 4


def test_a_message_to_all_reaches_each_once_and_in_order(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        for _ in range(3): cluster.fork()
        seen = []
        @cluster.on("online")
        def begin(worker):
            seen.append(worker)
            if len(seen) == 3:
                for number in range(100):
                    for each in cluster.workers.values():
                        each.send(number)
        cluster.run()
        """,
        """
        got = []
        @cluster.worker.on_message
        def note(message):
            got.append(message)
            if len(got) == 100:
                tell("got", got)
                asyncio.ensure_future(cluster.disconnect())
        cluster.run()
        """,
    )
    assert made.wait() == 0
    assert made.told("got") == [["got", list(range(100))]] * 3


def test_requests_are_answered_both_ways_and_failures_are_told(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        worker = cluster.fork()
        @cluster.on("request")
        def answer(worker, message):
            if message == "fail":
                raise ValueError("no")
            return [worker.id, message]
        def ask():
            worker.request(20, 5, note)
            worker.request("fail", 5, note)
            worker.request("never", 0.3, note)
        worker.on("message", lambda message: ask())
        answers = []
        def note(reply, error):
            answers.append(reply)
            tell("answer", reply, str(error) if error else None)
            if len(answers) == 3:
                worker.disconnect()
        cluster.run()
        """,
        """
        @cluster.worker.on_request
        async def answer(message):
            if message == "fail":
                raise KeyError("nothing")
            if message == "never":
                await asyncio.sleep(2)
            return message * 2
        async def main():
            tell("reply", await cluster.worker.request("hello", 5))
            try:
                await cluster.worker.request("fail", 5)
            except Exception as error:
                tell("failed", type(error).__name__, str(error))
            cluster.worker.send("go")
        cluster.run(main)
        """,
    )
    assert made.wait() == 0
    assert made.told("reply") == [["reply", [1, "hello"]]]
    [[_, kind, reason]] = made.told("failed")
    assert kind == "RequestError"
    assert "ValueError('no')" in reason
    answers = {line[1]: line[2] for line in made.told("answer")}
    assert answers[40] is None
    reasons = sorted(line[2] for line in made.told("answer") if line[2])
    assert "KeyError" in reasons[0]
    assert "0.3 s" in reasons[1]


def test_descriptor_and_800_kb_payload_in_one_message(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        worker = cluster.fork()
        def begin():
            with open("a", "w+") as file:
                file.write("from the primary")
                file.seek(0)
                tell("sent", worker.send(b"x" * 800_000, [file.fileno()]))
        worker.on("online", begin)
        def note(message, fds):
            with open(fds[0]) as file:
                tell("back", len(message), file.read(), len(fds))
            worker.disconnect()
        worker.on("message", note)
        cluster.run()
        """,
        """
        @cluster.worker.on_message
        def note(message, fds):
            with open(fds[0]) as file:
                tell("got", len(message), file.read(), len(fds))
            with open("b", "w+") as file:
                file.write("from the worker")
                file.seek(0)
                cluster.worker.send(message, [file.fileno()])
        cluster.run()
        """,
    )
    assert made.wait() == 0
    assert made.told("got") == [["got", 800_000, "from the primary", 1]]
    assert made.told("back") == [["back", 800_000, "from the worker", 1]]


def test_bytes_and_circular_structures_clear_error_at_send_not_a_hang(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        """
        worker = cluster.fork()
        cluster.on("message", lambda worker, message: tell("got", repr(message)))
        def begin():
            circle = []
            circle.append(circle)
            for wrong in (circle, object(), lambda: None):
                try:
                    worker.send(wrong)
                except (TypeError, ValueError) as error:
                    tell("refused", str(error))
            worker.send(bytes(range(256)))
        worker.on("online", begin)
        cluster.run()
        """,
        """
        @cluster.worker.on_message
        def note(message):
            cluster.worker.send(message)
            asyncio.ensure_future(cluster.disconnect())
        cluster.run()
        """,
    )
    assert made.wait() == 0
    refused = [line[1] for line in made.told("refused")]
    assert len(refused) == 3
    assert "contains itself" in refused[0]
    assert made.told("got") == [["got", repr(bytes(range(256)))]]


def test_a_child_that_exits_with_handles_queued_doesnt_hurt_the_parent(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        """
        def begin(worker):
            for _ in range(200):
                with open(__file__) as file:
                    worker.send("x" * 5000, [file.fileno()])
        cluster.on("online", begin)
        cluster.fork()
        before = len(os.listdir("/proc/self/fd"))
        @cluster.on("exit")
        def again(worker):
            tell("left", len(os.listdir("/proc/self/fd")) - before)
            if worker.id < 3:
                cluster.fork()
        cluster.run()
        """,
        "import time\nos._exit(0)",
    )
    assert made.wait() == 0
    left = [line[1] for line in made.told("left")]
    assert len(left) == 3
    assert max(left) <= 1, left


def test_what_is_sent_right_after_a_fork_that_has_to_wait_arrives(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        cluster.setup_primary(min_uptime=60)  # or one that starts slowly has not died young
        cluster.fork()
        forked = []
        @cluster.on("exit")
        def again(worker, code, signal):
            if len(forked) < 3:
                forked.append(cluster.fork())
                sent = forked[-1].send(worker.id)
                tell("sent", sent, forked[-1].pid is None, forked[-1].is_connected())
                forked[-1].request("?", 30, lambda reply, error: tell("reply", reply, repr(error)))
        cluster.run()
        """,
        """
        async def main():
            if cluster.worker.id < 4:
                sys.exit(1)
            heard = asyncio.Event()
            cluster.worker.on_message(lambda message: (tell("heard", message), heard.set()))
            cluster.worker.on_request(lambda message: cluster.worker.id)
            await heard.wait()
            await cluster.disconnect()
        cluster.run(main)
        """,
    )
    assert made.wait() == 0
    assert made.told("sent")[-1] == ["sent", True, True, True]  # it was not there yet
    assert made.told("heard") == [["heard", 3]]
    gone = "RequestError('it has gone')"
    assert made.told("reply") == [["reply", None, gone]] * 2 + [["reply", 4, "None"]]


def test_send_returns_false_under_backlog_and_true_after(run_cluster: RunCluster) -> None:
    made = run_cluster(
        """
        worker = cluster.fork()
        def fill():
            count = 0
            while worker.send(b"x" * 100_000):
                count += 1
            tell("full", count)
            look()
        def look():
            if worker.send("small"):
                tell("room")
                worker.disconnect()
            else:
                cluster.call_later(0.05, look)
        worker.on("online", fill)
        cluster.run()
        """,
        """
        async def main():
            await asyncio.sleep(0.5)
            cluster.worker.on_message(lambda message: None)
        cluster.run(main)
        """,
    )
    assert made.wait() == 0
    [[_, count]] = made.told("full")
    assert 5 <= count <= 40
    assert made.told("room")


APP = """
from fastapi import FastAPI
from prefork import cluster
app = FastAPI()
@app.get("/")
async def ask():
    return await cluster.worker.request("who", 5)
"""
FLASK = """
from flask import Flask
from prefork import cluster
app = Flask("x")
@app.get("/")
def ask():
    cluster.worker.send("from a thread")
    return cluster.worker.call(cluster.worker.request("who", 5), 5)
"""


def served(script: RunScript, source: str) -> Script:
    made = script(
        f"""
        if __name__ == "__main__":
            open("served.py", "w").write({source!r})
            from prefork import Cluster
            cluster = Cluster("served:app", workers=2, bind="127.0.0.1:0")
            cluster.on("listening", lambda worker, address: tell("port", address.port))
            cluster.on("message", lambda worker, message: tell("message", worker.slot, message))
            cluster.on("request", lambda worker, message: {{"id": worker.id, "asked": message}})
            cluster.run()
        """
    )
    (_, port), _ = made.wait_told("port", count=2)
    assert b'"asked":"who"' in ask(port, "/").body.replace(b" ", b"")
    return made


def test_an_asgi_application_asks_the_primary(script: RunScript) -> None:
    assert served(script, APP).told("message") == []


def test_a_wsgi_application_does_so_from_its_threads(script: RunScript) -> None:
    [[_, slot, said]] = served(script, FLASK).wait_told("message")
    assert slot in (0, 1)
    assert said == "from a thread"


def test_what_is_sent_before_any_event_loop_or_in_another_arrives_at_the_exit(
    run_cluster: RunCluster,
) -> None:
    made = run_cluster(
        """
        cluster.on("message", lambda worker, message: tell("heard", message))
        cluster.fork()
        cluster.run()
        """,
        """
        tell("sent", cluster.worker.send("before"))
        async def main():
            tell("sent", cluster.worker.send("within"))
            try:
                await cluster.worker.request("x", 5)
            except RuntimeError as error:
                tell("refused", "cluster.run(main)" in str(error))
        asyncio.run(main())
        """,
    )
    assert made.wait() == 0
    assert made.told("heard") == [["heard", "before"], ["heard", "within"]]
    assert made.told("sent") == 2 * [["sent", True]]
    assert made.told("refused") == [["refused", True]]


@pytest.mark.parametrize("run", ["cluster.run(main)", "asyncio.run(main())"])
def test_the_last_words_of_one_that_fails_arrive(run_cluster: RunCluster, run: str) -> None:
    made = run_cluster(
        """
        cluster.on("message", lambda worker, message: tell("heard", message))
        cluster.on("exit", lambda worker, code: tell("exit", code))
        cluster.fork()
        cluster.run()
        """,
        f"""
        async def main():
            cluster.worker.send("I can't go on")
            raise LookupError("here")
        {run}
        """,
    )
    assert made.wait() == 0
    assert made.told() == [["heard", "I can't go on"], ["exit", 1]]
