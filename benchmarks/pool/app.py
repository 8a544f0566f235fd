"""An application that answers questions about the pool which it is served with."""

from benchmarks.pool.answers import answer

from prefork import Request, pool


async def handler(request: Request) -> str:
    return str(await answer(pool.run, request.path.removeprefix("/")))
