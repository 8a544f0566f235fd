import re
from typing import get_args

import msgspec
import pytest

from prefork.control.protocol import (
    MAX_LINE,
    VERBS,
    Request,
    Verb,
    decode_answer,
    decode_request,
    encode_error,
    encode_request,
    encode_result,
    shaped,
)
from prefork.errors import ControlError, RemoteError


@pytest.mark.parametrize(
    "request_",
    [
        Request("stats"),
        Request("stop"),
        Request("stop", True),
        Request("reload", True),
        Request("scale", workers=0),
        Request("scale", by=-1),
    ],
)
def test_a_request_survives_the_wire(request_: Request) -> None:
    line = encode_request(request_)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_request(line) == decode_request(line.rstrip(b"\n")) == request_


def test_the_lines_are_as_documented() -> None:
    assert encode_request(Request("stats")) == b'{"prefork":1,"verb":"stats"}\n'
    assert encode_request(Request("reload", True)) == (
        b'{"prefork":1,"verb":"reload","wait":true}\n'
    )
    assert encode_request(Request("scale", by=-1)) == b'{"prefork":1,"verb":"scale","by":-1}\n'
    assert encode_result({"state": "stopping"}) == (
        b'{"prefork":1,"ok":true,"result":{"state":"stopping"}}\n'
    )
    assert encode_error("no") == b'{"prefork":1,"ok":false,"error":"no"}\n'


def test_unknown_fields_are_ignored() -> None:
    assert decode_request(b'{"prefork": 1, "verb": "stop", "new": 1}') == Request("stop")
    assert decode_answer(b'{"prefork": 1, "ok": true, "result": {"a": 1}, "new": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not a request"),
        (b"stats", "not a request"),
        (b"[]", "not a request"),
        (b"\xff\xfe", "not a request"),
        (b'{"prefork": 1, "verb": "scale"}', 'takes either "workers" or "by"'),
        (b'{"prefork": 1, "verb": "scale", "workers": 1, "by": 1}', 'either "workers" or "by"'),
        (b'{"prefork": 1, "verb": "scale", "by": 1.5}', "not a request"),
        (b'{"prefork": 1, "verb": "scale", "by": "+1"}', "not a request"),
        (b'{"prefork": 1, "verb": "scale", "workers": true}', "not a request"),
        (b'{"prefork": 1, "verb": "\xff"}', "not a request"),
        (b'{"prefork": 1}', "not a request"),
        (b'{"prefork": 1, "verb": 3}', "not a request"),
        (b'{"prefork": 1, "verb": "stop", "wait": 1}', "not a request"),
        (b'{"prefork": 2, "verb": "stats"}', "speaks protocol 2, this one 1"),
        (b'{"prefork": 1, "verb": "stopp"}', "no such verb: stopp"),
        (b'{"prefork": 1, "verb": "' + b"x" * MAX_LINE + b'"}', f"at most {MAX_LINE} bytes"),
        (b"[" * 4000, "not a request"),
    ],
)
def test_what_is_no_request_is_the_clients_fault(line: bytes, reason: str) -> None:
    with pytest.raises(RemoteError, match="(?s)" + reason):
        decode_request(line)


def test_a_refusal_is_told_in_the_instances_words() -> None:
    with pytest.raises(ControlError, match="no such verb"):
        decode_answer(encode_error("no such verb: x"))
    with pytest.raises(ControlError, match="without a reason"):
        decode_answer(encode_error(""))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"HTTP/1.1 400",
        b'{"ok": true}',
        b'{"prefork": 2, "ok": true, "result": {}}',
        b'{"prefork": 1, "ok": true}',
        b'{"prefork": 1, "ok": true, "result": []}',
        b"\xff",
    ],
)
def test_what_is_no_answer_is_not_taken_for_one(line: bytes) -> None:
    with pytest.raises(RemoteError):
        decode_answer(line)


def test_a_request_nested_beyond_the_decoder_is_refused() -> None:
    line = b'{"prefork":1,"verb":"stats","x":' + b"[" * 1500 + b"]" * 1500 + b"}"
    with pytest.raises(RemoteError, match="not a request"):
        decode_request(line)


def test_a_result_of_another_shape_is_an_error_that_names_the_instance() -> None:
    class Answer(msgspec.Struct):
        state: str

    assert shaped("shop", {"state": "stopping", "new": 1}, Answer) == Answer("stopping")
    with pytest.raises(ControlError, match=r"^shop: its answer is not understood"):
        shaped("shop", {"state": 1}, Answer)


def test_every_verb_is_described_and_takes_what_a_request_has() -> None:
    assert tuple(VERBS) == get_args(Verb)
    for usage in VERBS.values():
        assert usage.result
        assert set(re.findall(r"`(\w+)`", usage.takes)) <= set(Request.__struct_fields__)
