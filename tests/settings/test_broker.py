"""What can be typed for the bus, what is wrong with it, and that no password is ever shown."""

import pytest

from prefork.settings import broker

SECRET = "s3cret"


@pytest.mark.parametrize(
    "text",
    [
        "local",
        "redis://127.0.0.1",
        "redis://:s3cret@redis.example:6379/2",
        "rediss://user:s3cret@[::1]:6379",
        "nats://nats.example:4222",
        "nats://s3cret@nats.example",
    ],
)
def test_urls_of_brokers_are_accepted(text: str) -> None:
    assert broker.wrong(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "redis",
        "redis://",
        "redis://:s3cret@",
        "redis://host:s3cret",
        "redis://host:0",
        "redis://host:70000",
        "redis://host/s3cret",
        "redis://ho st",
        "redis://[host",
        "amqp://user:s3cret@host",
        "nats://host:4222/1",
        "redis://host/0?password=s3cret",
        "rediss://host?ssl_cert_reqs=none",
        "nats://host#s3cret",
    ],
)
def test_what_is_none_is_refused_without_being_repeated(text: str) -> None:
    said = broker.wrong(text)
    assert said is not None
    assert said.startswith("must be local, redis://")
    assert SECRET not in said
    assert SECRET not in broker.shown(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("local", "local"),
        ("redis://:s3cret@redis.example:6379/2", "redis://redis.example:6379/2"),
        ("rediss://user:s3cret@[::1]:6379", "rediss://[::1]:6379"),
        ("nats://s3cret@nats.example", "nats://nats.example"),
    ],
)
def test_a_url_is_shown_without_what_only_the_broker_should_know(text: str, shown: str) -> None:
    assert broker.shown(text) == shown


@pytest.mark.parametrize(
    ("text", "number"), [("redis://host", 0), ("redis://host/", 0), ("rediss://host/12", 12)]
)
def test_a_redis_has_a_database_and_without_one_the_first(text: str, number: int) -> None:
    assert broker.database(text) == number
