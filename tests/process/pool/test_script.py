"""The pool of a plain script with its processes: how it begins, what it runs, how it ends."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest
from tests.process.conftest import RunScript
from tests.support import processes
from tests.support.processes import Watch
from tests.support.program import ROOT, interpreter, run
from tests.support.script import Script

IN_WORDS = {"PREFORK_LOG_FORMAT": "text"}
AT_ONCE = 10.0  # seconds in which everything is to go with its script; it takes 0.1

# What every script here begins with: functions that run in its pool.
TASKS = """
import asyncio, time
from pathlib import Path
import prefork
from prefork import pool as pools
from prefork.errors import AppError

def square(number):
    return number * number

def work(seconds=3600.0):
    end = time.monotonic() + seconds
    try:
        tell("working", os.getpid())  # whoever reads it may cancel at once
        while time.monotonic() < end:
            pass
    except pools.TaskCancelled:
        tell("cancelled")
        raise
    tell("worked")
    return seconds

def working():
    try:
        yield os.getpid()
        work()
    finally:
        tell("finally")

def numbers():
    number = 0
    while True:
        yield number
        number += 1
"""
RUN = """
if __name__ == "__main__":
    asyncio.run(main())
"""


@contextmanager
def watched(script: Script) -> Iterator[Watch]:
    """Watch all that the script has started."""
    with Watch(script.leftovers()) as watch:
        yield watch


def home_of(script: Script) -> Path:
    """Return the runtime directory of a script, which is its own."""
    return processes.PROC.joinpath(str(script.pid), "cwd").readlink()


def names(script: Script) -> list[str]:
    """Return the instances that run beside it."""
    listed = json.loads(run("list", "--json", home=home_of(script)).out)
    return [each["name"] for each in listed]


def test_it_runs_functions_of_the_script_as_the_script_would(script: RunScript) -> None:
    source = """
        class Odd(Exception):
            pass

        class Box:
            def __init__(self, held): self.held = held

        def open_box(box):
            return Box(box.held + 1)

        def fail():
            raise Odd("no", 1)

        def surroundings():
            return os.getcwd(), sys.argv[1:], os.environ["SHOP"], __name__

        async def main():
            async with prefork.Pool(2) as pool:
                tell("square", await pool.run(square, 3))
                box = await pool.run(open_box, Box(4))
                tell("box", type(box) is Box, box.held)
                try:
                    await pool.run(fail)
                except Odd as error:
                    tell("odd", *error.args)
                tell("map", [each async for each in pool.map(square, range(5))])
                tell("surroundings", *await pool.run(surroundings))
                tell("size", pool.stats().size)
    """
    made = script(TASKS + dedent(source) + RUN, "--fast", env={"SHOP": "open"})
    assert made.wait() == 0
    place = made.told("surroundings")[0][1]
    assert made.told() == [
        ["square", 9],
        ["box", True, 5],
        ["odd", "no", 1],
        ["map", [0, 1, 4, 9, 16]],
        ["surroundings", place, ["--fast"], "open", "__mp_main__"],
        ["size", 2],
    ]
    assert made.leftovers() == []
    assert made.journal.text == ""


# -- how it ends ---------------------------------------------------------------

WORKING = (
    TASKS
    + """
async def main():
    async with prefork.Pool(2, grace=600) as pool:
        await pool.run(work)
"""
    + RUN
)


def test_ctrl_c_comes_to_the_script_alone_which_ends_its_tasks(script: RunScript) -> None:
    made = script(WORKING)
    made.wait_told("working")
    [pool] = processes.children(made.pid)
    assert os.getpgid(pool) == pool
    with watched(made) as watch:
        os.killpg(made.pid, signal.SIGINT)  # as a terminal does
        assert made.wait() == -signal.SIGINT
        assert watch.left(0) == []
    assert made.told("cancelled") == [["cancelled"]]
    assert made.journal.text.splitlines()[-1] == "KeyboardInterrupt"


def test_a_killed_script_leaves_nothing(script: RunScript) -> None:
    made = script(WORKING)
    made.wait_told("working")
    with watched(made) as watch:
        made.signal(signal.SIGKILL)
        assert watch.left(AT_ONCE) == []


def test_a_killed_script_leaves_nothing_though_it_has_forked(script: RunScript) -> None:
    source = """
        async def main():
            async with prefork.Pool(2) as pool:
                if not os.fork():
                    while True:
                        signal.pause()
                await pool.run(work)
    """
    made = script(TASKS + "import signal\n" + dedent(source) + RUN)
    made.wait_told("working")
    [child] = [pid for pid in processes.children(made.pid) if os.getpgid(pid) == made.pid]
    with Watch(pid for pid in made.leftovers() if pid != child) as watch:
        made.signal(signal.SIGKILL)
        assert watch.left(AT_ONCE) == []


def test_what_was_given_to_it_is_waited_for_but_streams_end(script: RunScript) -> None:
    source = """
        async def main():
            async with prefork.Pool(1) as pool:
                stream = pool.stream(numbers)
                tell("number", await anext(stream))
                tasks = [asyncio.create_task(pool.run(work, 0.1)) for _ in range(3)]
                async with asyncio.timeout(10):
                    await stream.aclose()
                endless = pool.stream(numbers)
                reading = asyncio.create_task(anext(endless))
                await asyncio.sleep(0)
            tell("left")
            tell("results", [await each for each in tasks])
    """
    made = script(TASKS + dedent(source) + RUN)
    assert made.wait() == 0
    told = [line for line in made.told() if line[0] != "working"]
    assert told[-2:] == [["left"], ["results", [0.1, 0.1, 0.1]]]


def test_after_an_exception_nothing_is_waited_for(script: RunScript) -> None:
    source = """
        async def main():
            try:
                async with prefork.Pool(1) as pool:
                    stream = pool.stream(working)
                    await anext(stream)
                    task = asyncio.create_task(pool.run(work))
                    await asyncio.sleep(0)
                    raise ValueError("enough")
            except ValueError as error:
                tell("raised", str(error))
            try:
                await task
            except pools.PoolError as error:
                tell("task", str(error))
    """
    made = script(TASKS + dedent(source) + RUN)
    assert made.wait(timeout=10) == 0
    assert made.told("raised") == [["raised", "enough"]]
    assert made.told("task") == [["task", "the pool has been left"]]
    assert made.told("finally") == [["finally"]]
    assert made.leftovers() == []


def test_a_task_that_will_not_end_is_not_waited_for_beyond_the_grace(script: RunScript) -> None:
    source = """
        def stubborn():
            yield os.getpid()
            while True:
                try:
                    work()
                except pools.TaskCancelled:
                    pass

        async def main():
            async with prefork.Pool(1, grace=0.1) as pool:
                stream = pool.stream(stubborn)
                tell("stubborn", await anext(stream))
            tell("left")
    """
    made = script(TASKS + dedent(source) + RUN)
    [[_, pid]] = made.wait_told("stubborn")
    with Watch([pid]) as watch:
        assert made.wait() == 0
        assert watch.left(0) == []
    assert made.told("left") == [["left"]]


def test_a_task_that_ends_its_process_fails_alone(script: RunScript) -> None:
    source = """
        async def main():
            async with prefork.Pool(2) as pool:
                others = [asyncio.create_task(pool.run(square, each)) for each in range(20)]
                try:
                    await pool.run(os._exit, 3)
                except pools.TaskLost as error:
                    tell("lost", error.status)
                tell("others", [await each for each in others])
    """
    made = script(TASKS + dedent(source) + RUN)
    assert made.wait() == 0
    assert made.told() == [["lost", 3], ["others", [n * n for n in range(20)]]]


# -- how it does not begin -------------------------------------------------------


def test_a_script_without_a_guard_is_told_so_and_forks_nothing(script: RunScript) -> None:
    source = """
        async def main():
            async with prefork.Pool(2):
                tell("entered")

        tell("run")
        asyncio.run(main())
    """
    made = script(TASKS + dedent(source))
    assert made.wait() == 1
    assert made.told() == [["run"], ["run"]]
    assert made.journal.text.splitlines()[-1] == (
        "prefork.errors.AppError: the pool did not start: the script starts a pool as it is "
        'imported by that: put what starts it under if __name__ == "__main__":'
    )
    assert made.leftovers() == []


def test_a_place_for_its_socket_that_others_can_write_to_is_refused(script: RunScript) -> None:
    source = """
        from prefork.errors import AddressError

        async def main():
            place = Path("prefork")
            place.mkdir()
            place.chmod(0o777)
            try:
                async with prefork.Pool(1):
                    tell("entered")
            except AddressError as error:
                tell("refused", str(error))
    """
    made = script(TASKS + dedent(source) + RUN)
    assert made.wait() == 0
    [[_, reason]] = made.told()
    assert "is open to others (mode 777)" in reason


ENTER = """
async def main():
    try:
        async with prefork.Pool(2, **OPTIONS):
            tell("entered")
    except AppError as error:
        tell("refused", str(error), str(error.__cause__).splitlines())
"""


def test_a_script_that_can_not_be_imported_is_told_why(script: RunScript) -> None:
    broken = 'OPTIONS = {}\nif __name__ != "__main__":\n    raise OSError("no till")\n'
    made = script(TASKS + broken + ENTER + RUN)
    assert made.wait() == 0
    [[_, reason, cause]] = made.told("refused")
    assert reason.startswith("the pool did not start: the script /")
    assert reason.endswith("script.py raised: OSError: no till")
    assert '    raise OSError("no till")' in cause
    assert made.leftovers() == []


def test_an_initialiser_that_fails_is_named_with_its_traceback(script: RunScript) -> None:
    broken = 'def warm_up():\n    raise OSError("cold")\nOPTIONS = {"initializer": warm_up}\n'
    made = script(TASKS + broken + ENTER + RUN)
    assert made.wait(timeout=30) == 0
    [[_, reason, cause]] = made.told("refused")
    assert reason.startswith("the pool did not start: ")
    assert reason.endswith("raised: OSError: cold")
    assert '    raise OSError("cold")' in cause
    assert made.leftovers() == []


def test_what_no_process_can_begin_with_is_what_its_tasks_fail_by(script: RunScript) -> None:
    source = """
        def warm_up():
            raise OSError("cold")

        async def main():
            async with prefork.Pool(1, min=0, initializer=warm_up) as pool:
                for _ in range(2):
                    try:
                        await pool.run(square, 3)
                    except pools.PoolError as error:
                        tell("failed", str(error), str(error.__cause__.__cause__).splitlines())
    """
    made = script(TASKS + dedent(source) + RUN)
    assert made.wait(timeout=30) == 0
    for _, reason, cause in made.told("failed"):
        assert reason.endswith("raised: OSError: cold")
        assert '    raise OSError("cold")' in cause
    assert len(made.told("failed")) == 2
    assert made.leftovers() == []


def test_an_initialiser_is_called_in_each_process(script: RunScript) -> None:
    source = """
        READY = []

        def warm_up():
            READY.append(os.getpid())

        def is_warm():
            return READY == [os.getpid()]

        async def main():
            async with prefork.Pool(2, initializer=warm_up) as pool:
                tell("warm", await pool.broadcast(is_warm))
    """
    made = script(TASKS + dedent(source) + RUN)
    assert made.wait() == 0
    assert made.told() == [["warm", [True, True]]]


def test_what_can_not_be_imported_runs_functions_of_modules_alone(tmp_path: Path) -> None:
    source = """
import asyncio, math, prefork
def own(): pass
async def main():
    async with prefork.Pool(1) as pool:
        print(await pool.run(math.sqrt, 16))
        try:
            await pool.run(own)
        except TypeError as error:
            print(error)
asyncio.run(main())
"""
    for command, said in ((["-c", source], ""), (["-"], source)):
        done = subprocess.run(
            [*interpreter(tmp_path), *command],
            input=said,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        assert done.stdout.splitlines() == [
            "4.0",
            "__main__:own can't be run in the pool: this program's main module is not imported "
            "there, being -c, standard input, an interactive session or a __main__.py: define it "
            "in a module of its own",
        ]
        assert done.stderr == ""


def test_a_module_that_is_run_by_its_name_is_imported_by_that(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "till.py").write_text(
        TASKS.replace("tell(", "print(")
        + "async def main():\n"
        + "    async with prefork.Pool(1) as pool:\n"
        + "        print(await pool.run(square, 7))\n"
        + RUN
    )
    done = subprocess.run(
        [*interpreter(tmp_path), "-m", "shop.till"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("49\n", "")


def test_an_argument_and_a_place_need_not_be_utf_8(script: RunScript) -> None:
    source = """
        def odd():
            return os.fsencode(sys.argv[1]).hex(), os.fsencode(sys.path[-1]).hex()

        async def main():
            sys.path.append(os.fsdecode(b"/caf\\xe9"))
            async with prefork.Pool(1) as pool:
                tell("odd", *await pool.run(odd))
    """
    made = script(TASKS + dedent(source) + RUN, os.fsdecode(b"\xff"))
    assert made.wait() == 0
    assert made.told() == [["odd", "ff", b"/caf\xe9".hex()]]


# -- beside others ---------------------------------------------------------------


def test_two_pools_side_by_side(script: RunScript) -> None:
    source = """
        async def main():
            async with prefork.Pool(1) as one, prefork.Pool(1) as other:
                pids = await asyncio.gather(one.run(os.getpid), other.run(os.getpid))
                tell("pids", *pids)
                tell("sums", await one.run(square, 2), await other.run(square, 3))
                tell("again", await one.run(os.getpid) == pids[0])
    """
    made = script(TASKS + dedent(source) + RUN)
    assert made.wait() == 0
    [[_, one, other]] = made.told("pids")
    assert one != other
    assert made.told()[1:] == [["sums", 4, 9], ["again", True]]


def test_one_pool_may_be_entered_again(script: RunScript) -> None:
    source = """
        async def main():
            pool = prefork.Pool(1)
            for _ in range(2):
                async with pool as entered:
                    tell("square", entered is pool, await pool.run(square, 3))
                    try:
                        async with pool:
                            tell("twice")
                    except pools.PoolError as error:
                        tell("refused", str(error))
                try:
                    await pool.run(square, 3)
                except pools.PoolError as error:
                    tell("outside", str(error))
    """
    made = script(TASKS + dedent(source) + RUN)
    assert made.wait() == 0
    once = [
        ["square", True, 9],
        ["refused", "the pool is in use already"],
        ["outside", "the pool has been left"],
    ]
    assert made.told() == once * 2
    assert made.leftovers() == []


def test_each_block_has_numbers(script: RunScript) -> None:
    source = """
        hits = prefork.SharedCounter("hits")

        def hit():
            return hits.add(1)

        async def main():
            hits.add(100)
            for _ in range(2):
                async with prefork.Pool(1) as pool:
                    hits.add(10)
                    tell("hits", await pool.run(hit), hits.value)
                tell("after", hits.value)
    """
    made = script(TASKS + dedent(source) + RUN)
    assert made.wait() == 0
    assert made.told() == [["hits", 11, 11], ["after", 11]] * 2


def test_threads_need_no_program(script: RunScript) -> None:
    source = """
        async def main():
            async with prefork.Pool(2, engine="threads") as pool:
                own = lambda number: (os.getpid(), number)
                tell("own", await pool.run(own, 3) == (os.getpid(), 3))
                task = asyncio.create_task(pool.run(time.sleep, 0.1))
                await asyncio.sleep(0)
            tell("done", task.done())
    """
    made = script(TASKS + dedent(source) + RUN)
    assert made.wait() == 0
    assert made.told() == [["own", True], ["done", True]]
    assert made.journal.text == ""


def test_it_works_on_uvloop(script: RunScript) -> None:
    pytest.importorskip("uvloop")
    source = """
        import uvloop

        async def main():
            async with prefork.Pool(2) as pool:
                tell("map", [each async for each in pool.map(square, range(100))])

        if __name__ == "__main__":
            asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())
    """
    made = script(TASKS + dedent(source))
    assert made.wait() == 0
    assert made.told() == [["map", [n * n for n in range(100)]]]


HELD = (
    TASKS
    + """
async def main():
    try:
        async with prefork.Pool(2) as pool:
            await pool.run(work)
    except pools.PoolError as error:
        tell("ended", str(error))
"""
    + RUN
)


def test_it_is_seen_and_stopped_as_other_instances_are(script: RunScript) -> None:
    source = """
        def work_until(file):
            tell("working")
            while not os.path.exists(file):
                pass
            return "done"

        async def main():
            async with prefork.Pool(2) as pool:
                tell("result", await pool.run(work_until, "stopped"))
                try:
                    await pool.run(work)
                except pools.PoolError as error:
                    tell("ended", str(error))
    """
    made = script(TASKS + dedent(source) + RUN)
    made.wait_told("working")
    [name] = names(made)
    assert name == f"script-pool-{made.pid}"
    home = home_of(made)
    stats = json.loads(run("stats", name, "--json", home=home).out)
    assert (stats["state"], stats["workers"]) == ("serving", [])
    status = run("status", name, home=home)
    assert status.code == 0
    assert status.out.startswith(f"{name}: serving, a pool of 2, 2 ready\n1 task running, 0 wait")
    assert run("dump", name, home=home).err.endswith("there is no worker now\n")
    assert run("stop", name, home=home).code == 0
    (home / "stopped").touch()
    assert made.wait() == 0
    assert made.told("result") == [["result", "done"]]
    assert made.told("ended") == [["ended", "the pool has ended: its instance was stopped"]]
    assert made.leftovers() == []


def test_what_it_has_to_say_is_not_that_it_serves(script: RunScript) -> None:
    source = """
        async def main():
            async with prefork.Pool(2, min=0) as pool:
                tell("entered")
    """
    made = script(TASKS + dedent(source) + RUN, env={"PREFORK_LOG_LEVEL": "info", **IN_WORDS})
    assert made.wait() == 0
    assert " ready " in made.journal.text
    assert "serves" not in made.journal.text
    assert "Ctrl-C" not in made.journal.text


def test_what_makes_no_sense_for_it_is_refused(script: RunScript) -> None:
    made = script(HELD)
    made.wait_told("working")
    [name] = names(made)
    for command in (["reload", name], ["scale", name, "+1"]):
        outcome = run(*command, home=home_of(made))
        assert outcome.code == 1
        assert "it is the pool of a script" in outcome.err
    [pool] = processes.children(made.pid)
    os.kill(pool, signal.SIGHUP)
    made.journal.wait_for("request_refused")
    assert names(made) == [name]


@pytest.mark.parametrize("patience", [None, 0.5], ids=["patient", "cancelled"])
def test_a_pool_that_is_stopped_by_a_signal_is_not_waited_for(
    script: RunScript, patience: float | None
) -> None:
    source = """
        from prefork.cluster import visit

        if PATIENCE is not None:
            visit.PATIENCE = 600.0  # who is cancelled has none

        async def main():
            os.mkfifo("go")
            try:
                async with asyncio.timeout(None) as leaving, prefork.Pool(1, grace=0.1):
                    tell("entered")
                    await asyncio.to_thread(Path("go").read_text)
                    if PATIENCE is not None:
                        leaving.reschedule(asyncio.get_running_loop().time() + PATIENCE)
            except TimeoutError:
                tell("cancelled")
            tell("left")
            Path("go").read_text()  # while it is there nobody else ends what it has started
    """
    made = script(TASKS + f"PATIENCE = {patience}\n" + dedent(source) + RUN)
    made.wait_told("entered")
    [pool] = processes.children(made.pid)
    with watched(made) as watch:
        os.kill(pool, signal.SIGSTOP)
        go = home_of(made) / "go"
        go.write_text("")
        made.wait_told("left")
        assert watch.left(AT_ONCE) == []
    go.write_text("")
    assert made.wait() == 0
    assert made.told()[1:] == ([] if patience is None else [["cancelled"]]) + [["left"]]


def test_a_pool_that_is_killed_fails_its_tasks(script: RunScript) -> None:
    made = script(HELD)
    made.wait_told("working")
    [pool] = processes.children(made.pid)
    with watched(made) as watch:
        os.kill(pool, signal.SIGKILL)
        assert watch.left(AT_ONCE) == []
        assert made.wait() == 0
    assert made.told("ended") == [["ended", "the pool has ended: its program ended with -9"]]
