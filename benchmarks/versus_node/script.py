"""The script of the rows in Python: a worker tells its pid, and misbehaves when asked to."""

import argparse
import os

from tests.support import pacing

from prefork import Request, Worker, cluster


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--policy", default="rr")
    parser.add_argument("--limit", type=int, default=10_000)  # connections of a worker
    parser.add_argument("--respawn", type=float, default=0)  # seconds until a dead one is replaced
    return parser.parse_args()


def supervise() -> None:
    cluster.setup_primary(policy=given.policy)
    for _ in range(given.workers):
        cluster.fork()

    @cluster.on("exit")
    def replace(worker: Worker) -> None:
        if not worker.exited_after_disconnect:
            cluster.call_later(given.respawn, cluster.fork)

    @cluster.on("message")
    def leave() -> None:
        cluster.disconnect()

    cluster.run()


async def serve(request: Request) -> str:
    seconds = float(request.query.get("seconds", 0))
    match request.path:
        case "/wedge":
            os.write(2, b"app: wedged %d\n" % os.getpid())
            pacing.hold(seconds)
        case "/slow":
            await pacing.think(seconds)
        case "/disconnect":
            cluster.worker.send("disconnect")
        case _:
            pass
    return str(os.getpid())


given = read_options()
if cluster.is_primary:
    supervise()
else:
    cluster.serve(serve, port=given.port, max_connections=given.limit)
