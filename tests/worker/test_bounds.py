from dataclasses import fields
from typing import Any

import pytest

from prefork.http.limits import Limits
from prefork.settings.schema import Settings
from prefork.worker.bounds import limits_of, most_connections


def settings(**given: Any) -> Settings:
    return Settings(app="main:app", **given)


def test_a_worker_may_have_as_many_connections_as_its_setting_says() -> None:
    assert most_connections(settings(worker_connections=7), workers=2) == 7


@pytest.mark.parametrize("policy", ["shared", "reuseport"])
def test_where_workers_accept_each_has_its_share_of_all(policy: str) -> None:
    made = settings(policy=policy, max_connections=10, worker_connections=7)
    assert [most_connections(made, workers) for workers in (1, 2, 4, 100)] == [7, 5, 2, 1]


def test_where_the_primary_accepts_it_sees_to_all() -> None:
    made = settings(policy="rr", max_connections=10)
    assert most_connections(made, workers=5) == made.worker_connections


def test_every_limit_comes_from_its_setting() -> None:
    given = {
        "max_request_line": 101,
        "max_header_field": 102,
        "max_headers_size": 103,
        "max_headers": 104,
        "max_body": 105,
        "min_body_rate": 106,
        "limit_concurrency": 107,
        "keepalive_requests": 108,
        "header_timeout": 109.0,
        "keepalive_timeout": 110.0,
        "send_timeout": 111.0,
        "request_timeout": 112.0,
    }
    limits = limits_of(settings(**given))
    plain = [each.name for each in fields(Limits) if each.name != "websocket"]
    assert sorted(getattr(limits, name) for name in plain) == list(range(101, 113))
