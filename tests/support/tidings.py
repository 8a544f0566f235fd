"""What a load is asked to do, and what became of it: plain values that travel as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

BIN = 0.5  # seconds of a report's rhythm
NEVER = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many clients of each kind load *port*, for how long at most."""

    port: int
    per_request: int = 0  # a connection for each request
    keep_alive: int = 0  # GET after GET on one connection
    posting: int = 0  # POST after POST, which no client may repeat
    talking: int = 0  # message after message on a WebSocket, which is opened anew when it closes
    apart: float = 0  # seconds between connections that wait for no other's answer; 0: none
    seconds: float = 60
    timeout: float = 10
    pause: float = 0.002  # between two requests of a client
    thinks: Sequence[float] = ()  # instead, for clients that keep theirs: each has one of these
    is_careful: bool = False  # a client looks whether its connection was closed before it asks
    most_failures: int = 1000  # of all clients: then the load gives up


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that was not served. *pid*: who answered on the connection before; 0: nobody."""

    at: float  # of the monotonic clock, which all processes share
    kind: str
    client: str
    local: str
    pid: int


@dataclass(slots=True)
class Answered:
    """What one process with one *mark* answered to one kind of client.

    Times are when it was asked: the connect's for the first request of a connection.
    """

    pid: int
    mark: str  # of the code that answered; empty where it tells none
    client: str
    count: int = 0
    first: float = NEVER
    last: float = 0.0


@dataclass(slots=True)
class Report:
    started: float = 0.0
    served: int = 0
    connections: int = 0
    closed: int = 0  # by the server, after an answer or between two, where a client would have kept
    slowest: float = 0.0  # seconds, with the connect where it was the first on its connection
    lag: float = (
        0.0  # seconds by which the clients themselves were late at most: the machine's doing
    )
    failures: list[Failure] = field(default_factory=list)
    answers: list[Answered] = field(default_factory=list)
    rhythm: dict[str, list[int]] = field(default_factory=dict)  # served in each BIN, by mark

    def marks(self) -> set[str]:
        return {answered.mark for answered in self.answers}

    def of(self, pid: int) -> list[Answered]:
        return [answered for answered in self.answers if answered.pid == pid]


def written(value: Plan | Report) -> str:
    return json.dumps(asdict(value))


def plan(line: str) -> Plan:
    return Plan(**json.loads(line))


def report(line: bytes) -> Report:
    told: Mapping[str, Any] = json.loads(line)
    failures = [Failure(**failure) for failure in told["failures"]]
    answers = [Answered(**answered) for answered in told["answers"]]
    return Report(**{**told, "failures": failures, "answers": answers})
