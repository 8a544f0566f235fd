"""What runs the pool's tasks, as it is typed: processes, threads, or a Dask cluster's address."""

import importlib.util
from urllib.parse import urlsplit

from prefork.settings.checks import got

PROCESSES, THREADS, DASK = "processes", "threads", "dask"  # the last one is a scheme
FORMS = f"{PROCESSES}, {THREADS} or {DASK}://HOST:PORT"
LIBRARY = "distributed"


def wrong(text: str) -> str | None:
    """Say what is wrong with it, worded to follow the setting's name; None: nothing."""
    if text in (PROCESSES, THREADS):
        return None
    if scheduler(text) is None:
        return got(f"must be {FORMS}", text)
    if importlib.util.find_spec(LIBRARY) is None:
        return f"needs {LIBRARY}: pip install 'prefork[{DASK}]'"
    return None


def scheduler(text: str) -> str | None:
    """Give the HOST:PORT of the Dask cluster's scheduler; None: it is no such address."""
    try:
        url = urlsplit(text)
        is_sound = url.scheme == DASK and bool(url.hostname) and bool(url.port)
    except ValueError:  # no port, or no address in brackets
        return None
    is_whole = text == f"{DASK}://{url.netloc}" and "@" not in url.netloc
    return url.netloc if is_sound and is_whole and text.isprintable() and " " not in text else None
