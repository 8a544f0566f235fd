"""Memory that workers of every generation, the pool, scripts and other programs share."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.process.conftest import RunScript, Serve
from tests.support.asking import Caller, ask
from tests.support.program import NAME, ROOT, Program, interpreter, run

APP = "tests.support.sharing:handler"


@pytest.fixture
def program(serve: Serve) -> Program:
    return serve("--workers", "2", app=APP)


@pytest.fixture
def callers(program: Program) -> Iterator[list[Caller]]:
    """One connection to each worker."""
    with closing(Caller(program.port)) as one, closing(Caller(program.port)) as other:
        assert told(one, "/imports")["pid"] != told(other, "/imports")["pid"]
        yield [one, other]


def told(caller: Caller, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(caller.ask(path).body)
    return answer


def value(program: Program, path: str) -> Any:
    return json.loads(ask(program.port, path).body)["value"]


def test_both_workers_and_their_threads_count_in_one_number(callers: list[Caller]) -> None:
    paths = ["/add", "/thread"] * 5
    values = [told(caller, path)["value"] for path in paths for caller in callers]
    assert values == list(range(1, 21))


def test_a_number_outlives_workers_and_reloads(program: Program) -> None:
    assert value(program, "/add") == 1
    for pid in program.workers(2):
        os.kill(pid, signal.SIGKILL)
    program.settled(lambda stats: stats["totals"]["exits"] == 2)
    program.workers(2)
    assert value(program, "/add") == 2
    assert run("reload", NAME, "--wait", home=program.home).code == 0
    assert value(program, "/add") == 3


def test_what_a_module_uses_while_it_is_imported_is_no_hindrance_to_the_fork(
    program: Program,
) -> None:
    assert value(program, "/imports") == 1  # one import, by the template
    assert program.journal.entries("preload_declined") == []


def test_without_a_template_each_worker_attaches_for_itself(serve: Serve) -> None:
    program = serve("--workers", "2", "--preload", "off", app=APP)
    assert value(program, "/imports") == 2


def test_a_number_is_gone_with_its_primary(serve: Serve) -> None:
    for _ in range(2):
        program = serve("--workers", "1", app=APP)
        assert value(program, "/add") == 1
        program.signal(signal.SIGTERM)
        assert program.wait() == 0


def test_another_size_is_refused_by_name_and_so_is_too_much(program: Program) -> None:
    assert value(program, "/size/sums/2") == 0
    again = [value(program, "/size/sums/3") for _ in range(4)]  # from both workers
    assert all("the key 'sums' has 16 bytes, not 24" in each for each in again)
    assert "(64 MiB)" in value(program, f"/size/huge/{8 * 1024 * 1024 + 1}")


def test_who_waits_is_woken_by_another_worker_and_its_loop_goes_on(callers: list[Caller]) -> None:
    waiting, other = callers
    waiting.send("/wait/2")
    pid = told(other, "/set/2")["pid"]
    assert json.loads(waiting.reply().body)["value"] == pid


def test_a_pool_process_shares_it(serve: Serve) -> None:
    program = serve("--workers", "1", "--pool", "1", app=APP)
    assert value(program, "/add") == 1
    assert value(program, "/pool") == 2
    assert value(program, "/add") == 3


def outside(program: Program, source: str) -> subprocess.CompletedProcess[str]:
    """Run another program of the same user."""
    command = [*interpreter(program.home), "-c", source]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_another_program_names_the_instance(program: Program) -> None:
    source = "import prefork; print(prefork.SharedCounter('hits', instance={!r}).add(10))"
    assert outside(program, source.format(NAME)).stdout == "10\n"
    assert outside(program, source.format(str(program.control))).stdout == "20\n"
    assert value(program, "/add") == 21
    assert "no instance called shap is running" in outside(program, source.format("shap")).stderr


def test_a_scripts_primary_and_its_workers_share_what_it_used_before_it_was_one(
    script: RunScript,
) -> None:
    running = script("""
        from prefork import SharedCounter, cluster
        counter = SharedCounter("hits")
        if cluster.is_primary:
            counter.add(100)
            for _ in range(2):
                cluster.fork()
            def left(worker, code, signal):
                tell("sum", counter.add(1000))
            cluster.on("exit", left)
            cluster.run()
        else:
            tell("worker", counter.add())
            raise SystemExit
    """)
    assert sorted(said[1] % 1000 for said in running.wait_told("worker", count=2)) == [101, 102]
    assert running.wait_told("sum", count=2)[-1] == ["sum", 2102]


def test_a_script_and_the_tasks_of_its_pool_share_what_is_used_inside_of_it(
    script: RunScript,
) -> None:
    running = script("""
        import asyncio
        import prefork
        counter = prefork.SharedCounter("done")
        def work(_):
            return counter.add()
        async def main():
            async with prefork.Pool(2) as pool:
                values = [value async for value in pool.map(work, range(20))]
                tell("values", sorted(values), counter.add())
            tell("after", prefork.SharedCounter("done").value, counter.value)
        if __name__ == "__main__":
            asyncio.run(main())
    """)
    assert running.wait_told("values") == [["values", list(range(1, 21)), 21]]
    assert running.wait_told("after") == [["after", 0, 21]]
    assert running.wait() == 0
