"""What carries the bus, as it is typed: the instance's own hub, or the URL of a broker."""

import importlib.util
from urllib.parse import SplitResult, urlsplit

LOCAL = "local"
EXTRAS = {"redis": "redis", "rediss": "redis", "nats": "nats"}  # by scheme; modules are named alike
FORMS = "local, redis://HOST:PORT/DATABASE, rediss:// for the same by TLS, or nats://HOST:PORT"


def wrong(text: str) -> str | None:
    """Say what is wrong with it, worded to follow the setting's name; None: nothing."""
    if text == LOCAL:
        return None
    url = _read(text)
    if url is None:
        return f"must be {FORMS}, and nothing after it"  # what was got may hold a password
    extra = EXTRAS[url.scheme]
    if importlib.util.find_spec(extra) is None:
        return f"needs {extra}: pip install 'prefork[{extra}]'"
    return None


def database(text: str) -> int:
    """The number of the database in the URL of a Redis; its default is 0."""
    return int(urlsplit(text).path.removeprefix("/") or 0)


def shown(text: str) -> str:
    """Spell it without what only the broker should know."""
    url = _read(text)
    if url is None:
        return text if text == LOCAL else "…"
    host = f"[{url.hostname}]" if ":" in str(url.hostname) else url.hostname
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{host}{port}{url.path}"


def _read(text: str) -> SplitResult | None:
    """None where it is no URL of a broker."""
    try:
        url = urlsplit(text)
        is_sound = url.scheme in EXTRAS and bool(url.hostname) and url.port != 0
    except ValueError:  # no port, or no address in brackets
        return None
    is_sound = is_sound and text.isprintable() and " " not in text and _has_database(url)
    # What the libraries take as options there they refuse only when they connect.
    return url if is_sound and not url.query and not url.fragment else None


def _has_database(url: SplitResult) -> bool:
    """Redis has databases by number, and a default; NATS has none."""
    path = url.path.removeprefix("/")
    return not path or (url.scheme != "nats" and path.isascii() and path.isdigit())
