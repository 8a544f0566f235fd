"""Lines to the hub, as the primary lays them."""

import os
from collections.abc import Iterator

import pytest

from prefork.core.facts import Fact
from prefork.core.process import Role
from prefork.primary.children import Child
from prefork.primary.introductions import Introductions
from prefork.wire import channel
from prefork.wire.channel import Channel
from prefork.wire.messages import FromPrimary


class Said:
    """What was said to whom; descriptors are closed, as a channel would."""

    def __init__(self) -> None:
        self.words: list[tuple[int, str]] = []

    def __call__(
        self, child: Child, message: FromPrimary, descriptors: list[int] | None = None
    ) -> list[Fact]:
        for each in descriptors or []:
            os.close(each)
        self.words.append((child.id, type(message).__name__))
        return []


@pytest.fixture
def children() -> Iterator[list[Child]]:
    """A hub, and three workers."""
    made = []
    for id in range(4):
        ours, theirs = channel.pair()
        theirs.close()
        made.append(Child(id, Role.WORKER if id else Role.HUB, 1, id, Channel(ours)))
    yield made
    for each in made:
        each.close()


def test_the_hub_gets_all_its_ends_before_a_worker_does(children: list[Child]) -> None:
    hub, *workers = children
    said = Said()
    lines = Introductions(said, lambda id: f"shop/{id}")
    for each in workers:
        lines.want(each, 0.0)
    assert said.words == []
    lines.open(hub, 0.0)
    attached = [(hub.id, "Attach")] * len(workers)
    assert said.words == attached + [(each.id, "Introduce") for each in workers]
    said.words.clear()
    lines.want(workers[0], 0.0)  # anew: its line was lost
    assert said.words == [(hub.id, "Attach"), (workers[0].id, "Introduce")]
