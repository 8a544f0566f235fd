"""`--capture-output`: who printed a line is told, no line is torn, none is lost."""

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from tests.process.conftest import RunScript, Serve
from tests.support import pacing, processes
from tests.support.asking import ask
from tests.support.program import PREFORK, Program, interpreter

PRINTER = """\
import os, select, subprocess, sys

print("imported")


def kill(pid):
    handle = os.pidfd_open(pid)
    os.kill(pid, 9)
    select.select([handle], [], [])
    os.close(handle)


def tagger():
    while True:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                title = open(f"/proc/{pid}/cmdline").read()
                parent = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if title.startswith("prefork: capture") and int(parent) == os.getppid():
                return int(pid)


def kill_three_and_print(_):
    for _ in range(3):
        kill(tagger())
    say("lines=2000")


def say(query):
    what, _, count = query.partition("=")
    if what == "lines":
        for number in range(int(count)):
            print(f"line {os.getpid()} {number} " + "x" * (number % 200))
    elif what == "long":
        print("y" * int(count))
    elif what == "bytes":
        os.write(1, b"\\xff\\x1b[31mred\\n")
    elif what == "child":
        subprocess.run(["echo", "said by a child"], check=True)
    elif what == "error":
        print("said on stderr", file=sys.stderr)
    elif what == "kill":
        kill(int(count))
        say("lines=500")
        say("child=")
        say("error=")
    elif what == "close":
        os.close(1)
    elif what == "part":
        sys.stdout.write("no newline")
        sys.stdout.flush()
    elif what == "die":
        os.write(1, b"last words\\n")
        os.kill(os.getpid(), 9)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        print("starts up")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shuts down")
        await send({"type": "lifespan.shutdown.complete"})
        return
    say(scope["query_string"].decode())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""
POOLED = """\
from prefork import pool


def work():
    print("did", flush=True)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("none")
    await pool.run(work)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})
"""
TEXT = ("--log-format", "text")


def printing(serve: Serve, place: Path, *options: str, workers: int = 2) -> Program:
    """Serve the application that prints; its standard output is its standard error here."""
    (place / "printer.py").write_text(PRINTER)
    always = ("--app-dir", str(place), "--workers", str(workers), "--capture-output")
    return serve(*always, *options, app="printer:app", entry=MERGED)


UNREAD = (  # `prefork` whose standard output nobody reads any more
    "-c",
    "import os, sys; r, w = os.pipe(); os.close(r); os.dup2(w, 1); os.close(w);"
    "from prefork.cli.main import main; sys.exit(main())",
)
MERGED = (  # `prefork` with standard output where standard error is
    "-c",
    "import os, sys; os.dup2(2, 1); from prefork.cli.main import main; sys.exit(main())",
)


def test_lines_are_tagged_by_who_printed_them(serve: Serve, tmp_path: Path) -> None:
    program = printing(serve, tmp_path, *TEXT)
    program.journal.wait_for_line("[t1] imported")
    program.journal.wait_for_line("[w0] starts up")
    program.journal.wait_for_line("[w1] starts up")
    ask(program.port, "/?child=")
    program.journal.wait_for_line("] said by a child")
    ask(program.port, "/?error=")
    program.journal.wait_for_line("] said on stderr")
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.journal.ended()
    assert {"[w0] shuts down", "[w1] shuts down"} <= set(program.journal.text.splitlines())


def test_the_log_itself_is_not_tagged(serve: Serve, tmp_path: Path) -> None:
    program = printing(serve, tmp_path)
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    events = {entry["event"] for entry in program.journal.entries()}
    assert {"started", "ready", "output", "stopped"} <= events
    assert all(line.startswith("{") for line in program.journal.text.splitlines())


def test_no_line_of_four_busy_workers_is_torn_or_lost(serve: Serve, tmp_path: Path) -> None:
    program = printing(serve, tmp_path, *TEXT, workers=4)
    pids = {ask(program.port, "/?lines=3000").pid: slot for slot, _ in enumerate(range(4))}
    assert len(pids) == 4
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.journal.ended()
    said: Counter[str] = Counter()
    for line in program.journal.text.splitlines():
        tag, _, rest = line.partition(" ")
        if rest.startswith("line "):
            _, pid, number, *x = rest.split(" ")
            assert x == ["x" * (int(number) % 200)], line
            said[f"{tag} {pid}"] += 1
    assert sorted(said.values()) == [3000] * 4, said
    assert {key.split()[0] for key in said} == {"[w0]", "[w1]", "[w2]", "[w3]"}


def test_a_line_that_fits_no_write_comes_in_whole_pieces(serve: Serve, tmp_path: Path) -> None:
    program = printing(serve, tmp_path, *TEXT, workers=1)
    ask(program.port, "/?long=100000")
    ask(program.port, "/?error=")
    program.journal.wait_for_line("said on stderr")
    program.signal(signal.SIGTERM)
    program.wait()
    program.journal.ended()
    pieces = [line for line in program.journal.text.splitlines() if "yyy" in line]
    assert all(len(piece) <= 4096 and piece.startswith("[w0] y") for piece in pieces)
    assert sum(piece.count("y") for piece in pieces) == 100_000


def test_what_a_worker_left_unfinished_is_a_line_when_it_ends(serve: Serve, tmp_path: Path) -> None:
    program = printing(serve, tmp_path, *TEXT, workers=1)
    ask(program.port, "/?part=")
    program.signal(signal.SIGTERM)
    program.wait()
    program.journal.ended()
    assert any(line.startswith("[w0] no newline") for line in program.journal.text.splitlines())


def test_the_last_words_of_a_killed_worker_are_told(serve: Serve, tmp_path: Path) -> None:
    program = printing(serve, tmp_path, *TEXT, workers=2)
    with pytest.raises(ConnectionResetError):
        ask(program.port, "/?die=")
    program.journal.wait_for_line("] last words")
    program.workers(2)


def test_as_json_each_line_is_an_event(serve: Serve, tmp_path: Path) -> None:
    program = printing(serve, tmp_path, workers=1)
    ask(program.port, "/?bytes=")
    ask(program.port, "/?error=")
    program.journal.wait_for_line("said on stderr")
    program.signal(signal.SIGTERM)
    program.wait()
    program.journal.ended()
    said = [(e["from"], e["stream"], e["line"]) for e in program.journal.entries("output")]
    assert ("w0", "stdout", "\\xff\x1b[31mred") in said
    assert ("w0", "stderr", "said on stderr") in said


def test_the_application_does_not_notice_when_the_tagger_dies(serve: Serve, tmp_path: Path) -> None:
    program = printing(serve, tmp_path, *TEXT, workers=2)
    os.kill(tagger_of(program), signal.SIGKILL)
    program.journal.wait_for_line("aide_exited aide=capture")
    for _ in range(20):
        assert ask(program.port, "/?lines=10").status == 200
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.journal.ended()
    lines = program.journal.text.splitlines()
    assert sum("] line " in line for line in lines) == 200
    assert sum("] shuts down" in line for line in lines) == 2


def test_what_is_printed_while_there_is_no_tagger_is_tagged_by_its_successor(
    serve: Serve, tmp_path: Path
) -> None:
    program = printing(serve, tmp_path, *TEXT, workers=1)
    assert ask(program.port, f"/?kill={tagger_of(program)}").status == 200
    program.journal.wait_for_line("[w0] said on stderr")
    program.journal.wait_for_line("[w0] said by a child")
    program.signal(signal.SIGTERM)
    assert program.wait(5) == 0
    assert program.journal.ended(5)
    said = [line for line in program.journal.text.splitlines() if line.startswith("[w0] line ")]
    assert [int(line.split(" ")[3]) for line in said] == list(range(500))


def test_a_process_of_the_pool_goes_on_printing_when_the_tagger_has_died(
    serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "printer.py").write_text(POOLED)
    options = ("--app-dir", str(tmp_path), "--workers", "1", "--capture-output", "--pool", "1")
    program = serve(*options, *TEXT, app="printer:app", entry=MERGED)
    assert ask(program.port, "/").status == 200
    program.journal.wait_for_line("[p0] did")
    os.kill(tagger_of(program), signal.SIGKILL)
    assert ask(program.port, "/").status == 200
    program.journal.wait_for_line("[p0] did", count=2)
    assert ask(program.port, "/").status == 200
    program.journal.wait_for_line("[p0] did", count=3)
    assert program.journal.text.count("[p0] did") == 3


def test_on_starting_needs_no_tagger_to_print(serve: Serve, tmp_path: Path) -> None:
    hook = ("--on-starting", "printer:kill_three_and_print")
    program = printing(serve, tmp_path, *TEXT, *hook, workers=1)
    program.journal.wait_for_line("aide_failed aide=capture")
    assert ask(program.port, "/?error=").status == 200
    program.journal.wait_for_line("said on stderr")
    lines = program.journal.text.splitlines()
    assert sum(line.startswith("line ") for line in lines) == 2000


def tagger_of(program: Program) -> int:
    (found,) = [aide["pid"] for aide in program.stats()["aides"] if aide["name"] == "capture"]
    return int(found)


def test_where_tagging_is_given_up_lines_come_untagged_and_nobody_waits(
    serve: Serve, tmp_path: Path
) -> None:
    program = printing(serve, tmp_path, *TEXT, workers=2)
    for count in range(1, 3):
        os.kill(tagger_of(program), signal.SIGKILL)
        program.journal.wait_for_line("aide_exited aide=capture", count=count)
    os.kill(tagger_of(program), signal.SIGKILL)
    program.journal.wait_for_line("aide_failed aide=capture")
    for _ in range(6):
        assert ask(program.port, "/?lines=2000").status == 200  # 200 kB: no pipe holds that
    program.signal(signal.SIGHUP)
    program.journal.wait_for_line("reload_succeeded")
    assert ask(program.port, "/?lines=2000").status == 200
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.journal.ended()
    lines = program.journal.text.splitlines()
    assert sum(line.startswith("line ") for line in lines) == 14_000


def test_an_application_that_closes_its_standard_output_costs_nothing(
    serve: Serve, tmp_path: Path
) -> None:
    program = printing(serve, tmp_path, *TEXT, workers=1)
    (worker,) = program.workers(1)
    assert ask(program.port, "/?close=").status == 200
    before = processor_time(worker)
    pacing.hold(0.6)
    assert processor_time(worker) - before < 0.3
    ask(program.port, "/?error=")
    program.journal.wait_for_line("[w0] said on stderr")


HOSTILE = """\
import os, socket, stat
from prefork import Request


def lines():
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                yield socket.socket(fileno=os.dup(number))
        except OSError:
            continue


def messages():
    good, bad = b'{"tag":"w0","descriptor":1}', b'{"tag":"w0","descriptor":3}'
    reading, writing = os.pipe()
    file = os.open(__file__, os.O_RDONLY)
    yield from ((b"", []), (b"x", []), (b"\\xff" * 9000, []), (good, []), (bad, [reading]))
    yield from ((good, [file]), (good, [writing]), (good, [reading] * 200))


def shout(times):
    for line in lines():
        if line.family == socket.AF_UNIX and line.type == socket.SOCK_SEQPACKET:
            for _ in range(times):
                for said, descriptors in messages():
                    try:
                        socket.send_fds(line, [said], descriptors)
                    except OSError:
                        break
        line.close()


async def handler(request: Request):
    if request.path == "/garbage":
        shout(1)
    if request.path == "/flood":
        shout(200)
    print("asked for", request.path)
    return str(os.getpid())
"""


def test_garbage_in_every_socket_that_a_worker_inherits_costs_nobody_anything(
    serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "hostile.py").write_text(HOSTILE)
    options = ("--app-dir", str(tmp_path), "--workers", "2", "--capture-output")
    program = serve(*options, *TEXT, app="hostile:handler", entry=MERGED)
    for path in ("/garbage", "/flood", "/garbage"):
        assert ask(program.port, path).status == 200
    program.journal.wait_for_line("output_garbage")
    program.signal(signal.SIGHUP)  # whoever is born now has its lines tagged
    program.journal.wait_for_line("reload_succeeded")
    # Who wrote garbage pays for what came of it in its own hand-over: a stop would say so.
    program.settled(lambda stats: len(stats["generations"]) == 1)
    assert ask(program.port, "/after").status == 200
    program.journal.wait_for_line("] asked for /after")
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert "aide_exited" not in program.journal.text


def processor_time(pid: int) -> float:
    """Return what a process has used of it, in seconds: proc(5), fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_standard_output_and_standard_error_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "printer.py").write_text(PRINTER)
    broken = "import sys\nprint('on stdout')\nprint('on stderr', file=sys.stderr)\nraise OSError\n"
    (tmp_path / "broken.py").write_text(broken)
    options = ("--app-dir", str(tmp_path), "--bind", "127.0.0.1:0", "--preload", "on")
    done = subprocess.run(
        [*interpreter(tmp_path), *PREFORK, "serve", "broken:app", "--capture-output", *options],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stdout == "[t1] on stdout\n"
    assert "[t1] on stderr\n" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("prefork: error: ")


def test_a_reader_that_leaves_stops_nobody(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "printer.py").write_text(PRINTER)
    options = ("--app-dir", str(tmp_path), "--workers", "2", "--capture-output")
    program = serve(*options, app="printer:app", entry=UNREAD)
    for _ in range(4):
        assert ask(program.port, "/?lines=2000").status == 200
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert json.loads(program.journal.text.splitlines()[-1])["event"] == "stopped"


def test_what_a_scripts_worker_prints_is_tagged_too_and_outlives_who_tags_it(
    script: RunScript,
) -> None:
    made = script(
        """
        if "PREFORK_WORKER_ID" in os.environ:
            print("early", flush=True)
        from prefork import cluster
        if cluster.is_primary:
            cluster.setup_primary(capture_output=True, access_log="-")
            worker = cluster.fork()
            cluster.on("listening", lambda worker, address: tell("at", worker.pid, address.port))
            cluster.run()
        else:
            print("begun")
            async def handler(request):
                print("handled")
                return "hello"
            cluster.serve(handler)
        """,
        env={"PREFORK_LOG_FORMAT": "text"},
    )
    [[_, worker, port]] = made.wait_told("at")
    (tagger,) = set(processes.children(made.pid)) - {worker}
    assert ask(port, "/").status == 200
    made.output.wait_for_line("[w0] handled")
    os.kill(tagger, signal.SIGKILL)
    made.journal.wait_for_line("aide_exited")
    for _ in range(2):
        assert ask(port, "/").status == 200
    made.output.wait_for_line("handled", count=3)
    made.signal(signal.SIGTERM)
    assert made.wait() == 0
    lines = made.output.text.splitlines()
    assert "[w0] early" in lines
    assert "[w0] begun" in lines
    assert sum(line.startswith("127.0.0.1 - - ") for line in lines) == 3  # the access log's
