"""What a worker may have of the pool."""

import pytest

from prefork.settings.schema import Settings
from prefork.worker.offload import terms_of


@pytest.mark.parametrize(("queue", "workers", "part"), [(200, 2, 100), (200, 3, 66), (1, 4, 1)])
def test_the_queue_is_divided_among_the_workers_of_the_start(
    queue: int, workers: int, part: int
) -> None:
    settings = Settings(app="app:none", pool=1, pool_queue=queue)
    assert terms_of(settings, 1, workers).limit == part
