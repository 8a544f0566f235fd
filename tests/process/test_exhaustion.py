"""What becomes of the real program when something runs out: it degrades, says so, and recovers."""

import errno
import json
import os
import resource
import select
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support import pacing, processes
from tests.support.asking import Caller, ask
from tests.support.program import PREFORK, ROOT, Program, interpreter, run, serving
from tests.support.scarcity import NONE, fill, fill_inodes, squeezed, until

APP = "tests.support.apps:app"
FILES, PROCESSES = resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC
SPARE = 64  # descriptors that a worker keeps for the application
BUSY = 0.05  # of a CPU; a loop that spins takes all of it
BEATS = 1.2  # seconds in which a worker has looked twice at what it has


def asked(opened: ExitStack, program: Program, count: int, path: str = "/pid") -> list[Caller]:
    """Clients that have sent a request each."""
    made = [opened.enter_context(closing(Caller(program.port, n))) for n in range(count)]
    for each in made:
        each.send(path)
    return made


def answered(made: list[Caller], milliseconds: int = 10_000) -> list[Caller]:
    """Those that have an answer, as soon as there is any."""
    poll = select.poll()
    for each in made:
        poll.register(each.socket, select.POLLIN)
    ready = {descriptor for descriptor, _ in poll.poll(milliseconds)}
    return [each for each in made if each.socket.fileno() in ready]


def load(pid: int, seconds: float = 1) -> float:
    """How much of a CPU the process takes."""
    before = processes.cpu_seconds(pid)
    pacing.hold(seconds)
    return (processes.cpu_seconds(pid) - before) / seconds


# Descriptors


def test_a_primary_without_descriptors_leaves_connections_in_the_kernel(serve: Serve) -> None:
    program = serve("--workers", "2")
    with ExitStack() as opened:
        with squeezed(program.pid, FILES, NONE):
            waiting = asked(opened, program, 20)
            program.journal.wait_for("accept_failed")
            assert load(program.pid) < BUSY
            assert answered(waiting, 0) == []
        assert {each.reply().status for each in waiting} == {200}
    assert len(program.journal.entries("accept_failed")) == 1


def test_a_primary_without_descriptors_replaces_a_worker_when_there_are_any(serve: Serve) -> None:
    program = serve("--workers", "2", "--policy", "shared")
    victim, other = program.workers(2)
    with squeezed(program.pid, FILES, NONE):
        os.kill(victim, signal.SIGKILL)
        program.journal.wait_for("spawn_failed")
        program.journal.wait_for("backing_off", count=3)
        assert ask(program.port, "/pid").pid == other
    pids = program.workers(2)
    assert victim not in pids
    assert other in pids
    assert len(program.journal.entries("spawn_failed")) == 1


def test_what_a_dead_worker_had_not_taken_waits_for_descriptors_of_the_primary(
    serve: Serve,
) -> None:
    program = serve()
    [victim] = program.workers(1)
    os.kill(victim, signal.SIGSTOP)
    processes.until_state(victim, "T")
    with ExitStack() as opened:
        waiting = asked(opened, program, 10)
        # 200 ms later they are taken back, wait in the primary, and are given again as it beats.
        with squeezed(program.pid, FILES, NONE):
            os.kill(victim, signal.SIGKILL)
            program.journal.wait_for("spawn_failed")
        assert {each.reply().status for each in waiting} == {200}


@pytest.mark.parametrize("policy", ["rr", "shared"])
def test_a_worker_takes_no_more_than_its_descriptors_allow(serve: Serve, policy: str) -> None:
    program = serve("--policy", policy)
    [worker] = program.workers(1)
    most = len(processes.descriptors(worker)) + SPARE + 5
    with squeezed(worker, FILES, most), ExitStack() as opened:
        pacing.hold(BEATS)
        left = asked(opened, program, 20)
        assert answered(left)
        assert load(program.pid) < BUSY
        assert len(answered(left)) < 10  # of 20: about five, as the test can't count its own
        while left:
            served = answered(left)
            assert served, f"{len(left)} were lost"
            assert {each.reply().status for each in served} == {200}
            for each in served:
                each.close()
            left = [each for each in left if each not in served]
    assert program.journal.entries("connections_lost") == []


@pytest.mark.parametrize("policy", ["rr", "shared"])
def test_a_worker_without_descriptors_serves_when_there_are_any(serve: Serve, policy: str) -> None:
    program = serve("--policy", policy)
    [worker] = program.workers(1)
    with ExitStack() as opened:
        with squeezed(worker, FILES, NONE):
            program.journal.wait_for("no_descriptors")
            waiting = asked(opened, program, 5)
            assert load(worker) < BUSY
            assert load(program.pid) < BUSY
            assert answered(waiting, 0) == []
        assert {each.reply().status for each in waiting} == {200}
    assert len(program.journal.entries("no_descriptors")) == 1
    assert program.journal.entries("connections_lost") == []


def test_connections_on_their_way_to_a_worker_without_descriptors_are_not_lost(
    serve: Serve,
) -> None:
    program = serve()
    [worker] = program.workers(1)
    little = len(processes.descriptors(worker)) + SPARE + 50
    with ExitStack() as opened:
        with squeezed(worker, FILES, little):
            pacing.hold(BEATS)  # it sees that there is little
            os.kill(worker, signal.SIGSTOP)
            processes.until_state(worker, "T")
            waiting = asked(opened, program, 5)
            with squeezed(worker, FILES, NONE):
                os.kill(worker, signal.SIGCONT)
                program.journal.wait_for("no_descriptors")
                assert answered(waiting, 0) == []
        assert {each.reply().status for each in waiting} == {200}
    assert program.journal.entries("connections_lost") == []


def test_a_template_without_descriptors_keeps_the_code_and_forks_when_there_are_any(
    serve: Serve,
) -> None:
    program = serve("--workers", "2", "--preload", "on")
    victim, other = program.workers(2)
    [template] = [each["pid"] for each in program.stats()["templates"]]
    with squeezed(template, FILES, NONE):
        os.kill(victim, signal.SIGKILL)
        [told] = program.journal.wait_for("fork_failed")
        assert told["reason"] == os.strerror(errno.EMFILE)
        program.journal.wait_for("backing_off", count=2)
        assert ask(program.port, "/pid").pid == other
    assert victim not in program.workers(2)
    assert [each["pid"] for each in program.stats()["templates"]] == [template]
    assert len(program.journal.entries("fork_failed")) == 1


def test_too_low_a_limit_is_refused_at_the_start(tmp_path: Path) -> None:
    told = run("serve", APP, home=tmp_path, prefix=["prlimit", "--nofile=64"])
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert "is 64, and 1 workers and processes of the pool need 136 at least" in told.err
    told = run("serve", APP, "--pool", "9", home=tmp_path, prefix=["prlimit", "--nofile=200"])
    assert "is 200, and 10 workers and processes of the pool need 208 at least" in told.err


def test_the_control_socket_does_not_spin_without_descriptors(serve: Serve) -> None:
    program = serve()
    with ExitStack() as opened:
        with squeezed(program.pid, FILES, NONE):
            for _ in range(3):
                client = opened.enter_context(socket.socket(socket.AF_UNIX))
                client.connect(str(program.control))
            program.journal.wait_for("control_not_accepted")
            assert load(program.pid) < BUSY
        assert program.stats()["state"] == "serving"
    assert len(program.journal.entries("control_not_accepted")) == 1


# Processes and threads


def test_without_processes_workers_are_replaced_when_there_are_any_again(
    nobody_else: Sequence[str], serve: Serve
) -> None:
    program = serve("--workers", "2", prefix=nobody_else)
    victim, other = program.workers(2)
    [template] = [each["pid"] for each in program.stats()["templates"]]
    with squeezed(template, PROCESSES, 1, nobody_else):
        os.kill(victim, signal.SIGKILL)
        [told] = program.journal.wait_for("fork_failed")
        assert told["reason"] == os.strerror(errno.EAGAIN)
        program.journal.wait_for("backing_off", count=4)
        assert ask(program.port, "/pid").pid == other
    assert victim not in program.workers(2)
    assert len(program.journal.entries("fork_failed")) == 1


def test_a_worker_for_whose_parent_alone_there_is_room_is_told_of_and_comes_later(
    nobody_else: Sequence[str], serve: Serve
) -> None:
    program = serve(prefix=nobody_else)
    [worker] = program.workers(1)
    [template] = [each["pid"] for each in program.stats()["templates"]]
    tasks = sum(processes.threads(each) for each in (program.pid, template, worker))
    with squeezed(template, PROCESSES, tasks + 1, nobody_else):
        program.signal(signal.SIGTTIN)
        [told] = program.journal.wait_for("fork_failed")
        assert told["reason"] == os.strerror(errno.EAGAIN)
    program.workers(2)


def test_without_processes_a_template_is_replaced_when_there_are_any_again(
    nobody_else: Sequence[str], serve: Serve
) -> None:
    program = serve(prefix=nobody_else)
    [worker] = program.workers(1)
    [template] = [each["pid"] for each in program.stats()["templates"]]
    with squeezed(program.pid, PROCESSES, 1, nobody_else):
        os.kill(template, signal.SIGKILL)
        [told] = program.journal.wait_for("spawn_failed")
        assert told["reason"] == os.strerror(errno.EAGAIN)
        assert ask(program.port, "/pid").pid == worker
    os.kill(worker, signal.SIGKILL)
    program.settled(lambda stats: serving(stats) not in ([], [worker]))
    assert len(program.journal.entries("spawn_failed")) == 1


def test_an_aide_that_cannot_be_forked_is_told_of_and_started_later(
    nobody_else: Sequence[str], serve: Serve
) -> None:
    program = serve("--capture-output", prefix=nobody_else)
    [capture] = [each["pid"] for each in program.stats()["aides"]]
    with squeezed(program.pid, PROCESSES, 1, nobody_else):
        os.kill(capture, signal.SIGKILL)
        program.journal.wait_for("aide_not_started")
        assert ask(program.port, "/pid").status == 200
    program.settled(lambda stats: [each["pid"] for each in stats["aides"]] not in ([], [capture]))


def test_a_thread_that_cannot_be_started_makes_requests_wait_for_those_there_are(
    nobody_else: Sequence[str], serve: Serve, tmp_path: Path
) -> None:
    program = serve("--threads", "5", app="tests.support.gateway:app", prefix=nobody_else)
    [worker] = program.workers(1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o644)
    with squeezed(worker, PROCESSES, 1, nobody_else), ExitStack() as opened:
        [held] = asked(opened, program, 1, path=f"/hold{pipe}")
        program.journal.wait_for_line("holds")
        waiting = asked(opened, program, 5, path="/")
        [told] = program.journal.wait_for("thread_not_started")
        assert (told["threads"], "can't start new thread" in told["reason"]) == (1, True)
        pipe.write_bytes(b"")
        assert {each.reply().status for each in (held, *waiting)} == {200}
    assert len(program.journal.entries("thread_not_started")) == 1


# Memory


@pytest.mark.parametrize("interface", ["asgi", "handler", "wsgi"])
def test_a_request_without_memory_is_answered_and_the_worker_serves_on(
    serve: Serve, interface: str
) -> None:
    program = serve(app=f"tests.support.greedy:{interface}")
    before = ask(program.port, "/pid").pid
    assert ask(program.port, "/greedy").status == 500
    assert ask(program.port, "/pid").pid == before
    [told] = program.journal.wait_for("request_failed")
    assert "MemoryError" in told["reason"]


# Room for connections


@pytest.mark.parametrize("policy", ["rr", "least", "shared", "reuseport"])
def test_the_primary_sleeps_while_all_workers_are_full(serve: Serve, policy: str) -> None:
    program = serve("--workers", "2", "--worker-connections", "3", "--policy", policy)
    with ExitStack() as opened:
        left = asked(opened, program, 30)
        assert answered(left)
        assert load(program.pid) < BUSY
        while left:
            served = answered(left)
            assert served, f"{len(left)} were lost"
            for each in served:
                assert each.reply().status == 200
                each.close()
            left = [each for each in left if each not in served]


# Room on a disk


def test_a_full_disk_costs_lines_of_the_access_log_and_no_request(serve: Serve) -> None:
    program = serve("--access-log", "/dev/full")
    for _ in range(20):
        assert ask(program.port, "/pid").status == 200
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    [told] = program.journal.entries("access_log_lost")
    assert (told["lines"], told["reason"]) == (20, os.strerror(errno.ENOSPC))


def test_the_access_log_goes_on_when_there_is_room_again(serve: Serve, small_disk: Path) -> None:
    log, ballast = small_disk / "access.log", small_disk / "ballast"
    program = serve("--access-log", str(log))
    assert ask(program.port, "/pid?first").status == 200
    until(lambda: "first" in log.read_text())
    fill(ballast)
    for _ in range(200):  # more than a page's worth of lines
        assert ask(program.port, "/pid?meanwhile").status == 200
    pacing.hold(BEATS)
    ballast.unlink()
    assert ask(program.port, "/pid?last").status == 200
    until(lambda: "last" in log.read_text())
    lines = log.read_text().splitlines()
    torn = [line for line in lines if not line.startswith("127.0.0.1 - - [")]
    assert len(torn) <= 1  # what was written when the room ended
    assert sum("meanwhile" in line for line in lines) == 200  # they have waited


def test_a_log_on_a_full_disk_costs_lines_and_no_request(tmp_path: Path) -> None:
    ready, ready_end = os.pipe()
    options = ["--bind", "127.0.0.1:0", "--ready-fd", str(ready_end)]
    with open("/dev/full", "w") as full:
        program = subprocess.Popen(
            [*interpreter(tmp_path), *PREFORK, "serve", APP, *options],
            pass_fds=(ready_end,),
            stderr=full,
            stdout=full,
            start_new_session=True,
            cwd=ROOT,
        )
    os.close(ready_end)
    try:
        with os.fdopen(ready) as stream:
            [address] = json.loads(stream.readline())["bind"]
        assert ask(int(address.rpartition(":")[2]), "/pid").status == 200
        program.terminate()
        assert program.wait() == 0
    finally:
        program.kill()
        program.wait()


def test_a_control_socket_on_a_full_disk_is_one_line(tmp_path: Path, small_disk: Path) -> None:
    fill_inodes(small_disk)
    path = small_disk / "shop.sock"
    told = run("serve", APP, "--bind", "127.0.0.1:0", "--control", str(path), home=tmp_path)
    assert (told.code, told.err.count("\n")) == (5, 1)
    assert f"control socket {path}: no space left on device" in told.err
