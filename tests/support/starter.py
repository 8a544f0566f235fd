"""A handler that starts a program, and tells its pid: in the worker's process group or not."""

from asyncio import create_subprocess_exec

from prefork import Request


async def handler(request: Request) -> str:
    is_apart = request.path == "/apart"
    program = await create_subprocess_exec("sleep", "60", start_new_session=is_apart)
    return str(program.pid)
