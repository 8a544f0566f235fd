"""The smallest application: one function, which every worker answers with.

prefork serve hello:handler --app-dir examples --workers max
curl http://127.0.0.1:8000/
"""

import os

from prefork import Request


async def handler(request: Request) -> str:
    return f"Hello from process {os.getpid()}, you asked for {request.path}\n"
