"""A cluster leaves nothing behind, and garbage from a worker costs that worker alone."""

import os
from pathlib import Path

import pytest
from tests.process.conftest import RunScript
from tests.support.asking import ask
from tests.support.script import Script

# In the worker: what it is born with is read before the import that removes it. What a worker says
# instead of what it should is drawn from its seed; then it waits for what it deserves.
FUZZED = """
import asyncio, random, socket, stat, struct
born = json.loads(os.environ.get("PREFORK_BIRTH", "{}"))
from prefork import cluster
from prefork.wire import frames, letters, messages

ORDERS = [messages.Stop(1.0), messages.Admit(), messages.Lead(), messages.SpawnWorker(9, 9, 9, [])]
WORDS = [
    messages.Forked(1, 1), messages.Ready(1), messages.Declined(["x"]), messages.Failed("x", "y"),
    messages.LeftRotation(), messages.Proven(), messages.Unlisten(77), messages.Want("moon"),
]

def frame(message):
    return frames.encode(messages.encode(message))

def garbage(dice):
    match dice.randrange(6):
        case 0:
            return dice.randbytes(dice.randrange(5, 5000))
        case 1:
            return struct.pack("!BI", frames.VERSION, dice.randrange(2**31, 2**32)) + b"x" * 100
        case 2:
            return frames.encode(dice.randbytes(dice.randrange(300)))
        case 3:
            return frame(dice.choice(ORDERS))
        case 4:
            return frame(dice.choice(WORDS)) + dice.randbytes(40)
        case _:
            whole = frame(messages.Failed("import", "x" * dice.randrange(1000)))
            return whole[: dice.randrange(1, len(whole))]

def letter(dice):
    match dice.randrange(4):
        case 0:
            return dice.randbytes(dice.randrange(20, 5000))
        case 1:
            return letters.head(dice.randrange(5, 250), 1, 1) + b"x"
        case 2:
            return letters.head(1, 0, 50) + dice.randbytes(50)
        case _:
            return struct.pack("!BBIBI", letters.VERSION, 1, 0, 200, 2**30) + b"x" * 100

if cluster.is_primary:
    seed, left = int(sys.argv[1]), int(sys.argv[2])
    def fork():
        global seed, left
        if left:
            seed, left = seed + 1, left - 1
            cluster.fork({"SEED": str(seed)})
    @cluster.on("listening")
    def begin(worker, address):
        if worker.id == 1:
            tell("port", address.port)
            for _ in range(3):
                fork()
    @cluster.on("exit")
    def next_one(worker, code, number):
        tell("exit", worker.id, code, number)
        fork()
        if len(cluster.workers) == 1:
            tell("over")
    cluster.on("message", lambda worker, message: tell("message", worker.id, message))
    cluster.fork()
    cluster.run()
elif "SEED" not in os.environ:
    async def handler(request):
        return "hello"
    cluster.serve(handler, port=0)
else:
    dice = random.Random(int(os.environ["SEED"]))
    before = []
    async def main():
        global before
        place = dice.choice(["channel", "post", "handover"])
        if place == "handover":
            with socket.socket(fileno=os.dup(born["handover"])) as line:
                line.send(dice.randbytes(dice.randrange(1, 300)))
        elif place == "channel":
            data = garbage(dice)
            os.write(born["channel"], data)
        else:
            before = [int(fd) for fd in os.listdir("/proc/self/fd") if is_line(int(fd))]
            cluster.worker.send("hello")
            lines = []
            while not lines:
                await asyncio.sleep(0.01)
                lines = [int(fd) for fd in os.listdir("/proc/self/fd") if is_line(int(fd))]
            os.write(lines[0], letter(dice))
        await asyncio.sleep(1.0)
        os._exit(50)
    def is_line(fd):
        if fd in (*before, born["channel"], born["handover"]):
            return False
        try:
            copy = os.dup(fd)
        except OSError:
            return False  # it was what listed the others
        with open(copy, "rb"):
            if not stat.S_ISSOCK(os.fstat(copy).st_mode):
                return False
            sock = socket.socket(fileno=os.dup(copy))
        with sock:
            kind = sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
            return (sock.family, kind) == (socket.AF_UNIX, socket.SOCK_STREAM)
    cluster.run(main)
"""


def check_fuzzed(made: Script, count: int) -> None:
    [[_, port]] = made.wait_told("port")
    made.wait_told("over", timeout=30 + 2 * count)
    exits = made.told("exit")
    assert len(exits) == count
    assert 1 not in [line[1] for line in exits], "another died of it"
    assert {tuple(line[2:]) for line in exits} <= {(None, 9), (50, None), (0, None)}
    assert [None, 9] in [line[2:] for line in exits], "nobody was punished"
    assert ask(port, "/").body == b"hello"
    assert "Traceback" not in made.journal.text


def test_garbage_truncated_and_oversized_frames_from_a_worker_cost_that_worker_only(
    script: RunScript,
) -> None:
    check_fuzzed(script(FUZZED, "100", "9"), 9)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1000, 2000])
def test_garbage_of_many_seeds_costs_its_worker_only(script: RunScript, seed: int) -> None:
    check_fuzzed(script(FUZZED, str(seed), "120"), 120)


# One cluster after another, in one program that then looks at what is left.
LOOP = """
import subprocess
INNER = '''
import os, sys
from prefork import cluster
if cluster.is_primary:
    for _ in range(2): cluster.fork()
    seen = []
    @cluster.on("listening")
    def go(worker):
        seen.append(worker)
        if len(seen) == 2:
            cluster.disconnect()
    cluster.run()
else:
    async def handler(request):
        return "x"
    cluster.serve(handler, path="socket")
'''
open("inner.py", "w").write(INNER)
for number in range(int(sys.argv[1])):
    code = subprocess.run([sys.executable, "inner.py"], stderr=subprocess.DEVNULL).returncode
    tell("round", number, code, sorted(os.listdir()))
"""


def check_rounds(made: Script, count: int, before: set[str]) -> None:
    assert made.wait(20 + 3 * count) == 0
    rounds = made.told("round")
    assert len(rounds) == count
    assert {line[2] for line in rounds} == {0}
    assert {"socket"}.isdisjoint(name for line in rounds for name in line[3])
    assert not made.leftovers()
    assert shared_memory() == before


def shared_memory() -> set[str]:
    """Return what has a name there; what has none goes with its last user."""
    return {each.name for each in Path("/dev/shm").iterdir()}


@pytest.mark.parametrize("count", [3, pytest.param(200, marks=pytest.mark.slow)])
def test_200_clusters_started_and_stopped_in_a_loop_leave_nothing_behind(
    script: RunScript, count: int
) -> None:
    before = shared_memory()
    made = script(LOOP, str(count))
    check_rounds(made, count, before)
    home = Path(os.readlink(f"/proc/{os.getpid()}/cwd"))
    assert not (home / "socket").exists()


IN_ONE_PROCESS = """
import gc
from prefork import Cluster
def descriptors():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))
for number in range(int(sys.argv[1])):
    cluster = Cluster("tests.support.apps:app", workers=1, bind="127.0.0.1:0", log_level="error")
    cluster.on("listening", lambda: cluster.stop())
    cluster.run()
    tell("round", descriptors())
"""


@pytest.mark.parametrize("count", [4, pytest.param(200, marks=pytest.mark.slow)])
def test_clusters_one_after_another_in_one_process_leave_no_descriptor(
    script: RunScript, count: int
) -> None:
    made = script(IN_ONE_PROCESS, str(count))
    assert made.wait(20 + 3 * count) == 0
    counts = [line[1] for line in made.told("round")]
    assert len(counts) == count
    assert len(set(counts[1:])) == 1, counts
    assert not made.leftovers()


def test_what_is_refused_leaves_signals_and_descriptors_as_they_were(script: RunScript) -> None:
    made = script("""
        import signal, socket, threading
        from prefork import Cluster
        taken = socket.create_server(("127.0.0.1", 0))
        def start():
            try:
                Cluster("m:app", bind=f"127.0.0.1:{taken.getsockname()[1]}").run()
            except SystemExit as ended:
                tell("refused", ended.code, "")
            except RuntimeError as error:
                tell("refused", "RuntimeError", str(error))
        def state():
            wakeup = signal.set_wakeup_fd(-1)
            return signal.getsignal(signal.SIGTERM), wakeup, len(os.listdir("/proc/self/fd"))
        start()
        before = state()
        start()
        tell("same", before == state(), before[:2])
        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
    """)
    assert made.wait() == 0
    assert made.told("same") == [["same", True, [0, -1]]]
    refused = [line[1:] for line in made.told("refused")]
    assert [kind for kind, _ in refused] == [5, 5, "RuntimeError"]
    assert refused[-1][1].startswith("a cluster lives in the main thread")
