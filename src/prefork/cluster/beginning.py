"""What this process is from its first import of the cluster on: a worker, or none."""

from prefork.errors import PreforkError
from prefork.settings import environment
from prefork.wire import birth


def begin() -> None:
    """Be the worker that the environment says we are. What we start is none again.

    Raises SystemExit, after one line on standard error, where it says what can't be.
    """
    try:
        found = birth.read(environment.variables())
        if found is not None:
            from prefork.worker import script

            script.be_born(found)
        environment.forget(birth.VARIABLES)  # last: who can't be a worker is no primary either
    except PreforkError as error:
        from prefork.cluster.supervisor import leave  # of no use to a sound worker

        leave(error)
