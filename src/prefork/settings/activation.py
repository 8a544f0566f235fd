"""The sockets that systemd passes: sd_listen_fds(3)."""

from collections.abc import Mapping

from prefork.errors import SettingsError
from prefork.settings.checks import MOST_ADDRESSES, got
from prefork.settings.sources import Given

SYSTEMD = "systemd"  # as an origin
PROCESS, COUNT = "LISTEN_PID", "LISTEN_FDS"
VARIABLES = (PROCESS, COUNT, "LISTEN_FDNAMES", "LISTEN_PIDFDID")
_FIRST = 3  # SD_LISTEN_FDS_START


def passed(variables: Mapping[str, str], process: int) -> dict[str, Given]:
    """Give them as addresses, where they are meant for *process*. Raises SettingsError."""
    if variables.get(PROCESS) != str(process):
        return {}
    count = variables.get(COUNT, "")
    if not (count.isascii() and count.isdecimal()) or len(count) > 2 or int(count) > MOST_ADDRESSES:  # noqa: PLR2004
        raise SettingsError(f"{COUNT} {got(f'must be from 0 to {MOST_ADDRESSES}', count)}")
    addresses = tuple(f"fd://{_FIRST + number}" for number in range(int(count)))
    return {"bind": Given(COUNT, addresses, SYSTEMD)} if addresses else {}


def unserved(sockets: Mapping[str, Given], bind: object) -> str | None:
    """What is wrong where *bind* leaves a socket out: its clients would wait for ever."""
    given = sockets.get("bind")
    wanted = given.text if given is not None and isinstance(given.text, tuple) else ()
    missing = [each for each in wanted if isinstance(bind, tuple) and each not in bind]
    if not missing:
        return None
    return (
        f"systemd passed {', '.join(missing)} ({COUNT}), and bind doesn't name it: "
        "leave bind out, or add it there"
    )
