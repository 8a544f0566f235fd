"""A worker for each core, another for each that dies, and a message to all."""

import os

from prefork import Address, Request, Worker, cluster

if cluster.is_primary:
    for _ in range(cluster.available_parallelism()):
        cluster.fork()
    cluster.on("exit", lambda *_: cluster.fork())

    @cluster.on("listening")
    def tell_all(newcomer: Worker, address: Address) -> None:
        for worker in cluster.workers.values():
            worker.send(f"{newcomer.pid} listens on port {address.port}")

    cluster.run()
else:
    cluster.worker.on_message(lambda message: print(os.getpid(), "heard:", message, flush=True))

    async def handler(_: Request) -> str:
        return f"hello from {os.getpid()}\n"

    cluster.serve(handler, port=int(os.getenv("PORT", "8000")))
