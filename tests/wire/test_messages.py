"""Messages survive the wire, and garbage is the sender's fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.errors import RemoteError
from prefork.wire import messages

EXAMPLES = [
    messages.Forked(3, 4711),
    messages.Ready(4711, "asgi"),
    messages.Declined(["thread 'x' of y"]),
    messages.Failed("import", "no such module", "Traceback"),
    messages.Leaving(),
    messages.LeftRotation(),
    messages.Proven(),
    messages.Nudge(),
    messages.Stop(1.5),
    messages.Admit(),
    messages.SpawnWorker(3, 0, 7, [0, 1]),
    messages.Attach("shop/3"),
]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda m: type(m).__name__)
def test_a_message_arrives_as_it_was_sent(message: messages.Message) -> None:
    assert messages.decode(messages.encode(message)) == message


def test_nesting_beyond_the_decoder_is_a_remote_error() -> None:
    deep = b"\x81\xa1x" * 100_000 + b"\xc0"  # {"x": {"x": …; CPython 3.13 follows 5,000
    with pytest.raises(RemoteError, match="not a message"):
        messages.decode(b"\x82\xa4type\xa7Leaving\xa1y" + deep)


@given(garbage=st.binary(max_size=100))
def test_garbage_is_a_remote_error(garbage: bytes) -> None:
    with pytest.raises(RemoteError, match="not a message"):
        messages.decode(garbage)
