import os
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.instance import instance, line, result, silent_instance

from prefork.control.client import TIMEOUT, Client, survey
from prefork.control.directory import Instance, claim
from prefork.control.protocol import MAX_ANSWER, Request
from prefork.errors import ControlError

MANY = 20  # instances that are asked at once


def failure(path: Path, reply: list[bytes]) -> str:
    """What the client says of an instance that answers so."""
    with instance(path, lambda _: reply), Client(path) as client:
        with pytest.raises(ControlError) as caught:
            client.ask(Request("stats"))
        return str(caught.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.sock"


def test_a_request_is_answered(path: Path) -> None:
    with instance(path, lambda _: [result(a=1)]) as seen, Client(path) as client:
        assert client.ask(Request("stats")) == {"a": 1}
        assert client.pid == os.getpid()
    assert seen == [{"prefork": 1, "verb": "stats"}]


def test_an_answer_may_be_large(path: Path) -> None:
    with instance(path, lambda _: [result(a="x" * 3_000_000)]), Client(path) as client:
        assert len(client.ask(Request("stats"))["a"]) == 3_000_000


def test_a_second_answer_is_waited_for(path: Path) -> None:
    replies = [result(state="stopping"), result(state="stopped", exit_code=6)]
    with instance(path, lambda _: replies), Client(path) as client:
        assert client.ask(Request("stop", wait=True)) == {"state": "stopping"}
        assert client.receive_at_last()["exit_code"] == 6
        with pytest.raises(ControlError, match="shop hung up without an answer"):
            client.receive_at_last()


def test_a_stopped_primary_costs_the_timeout_and_no_more(path: Path) -> None:
    with silent_instance(path), Client(path, timeout=0.05) as client:
        begun = time.monotonic()
        with pytest.raises(ControlError) as caught:
            client.ask(Request("stats"))
        assert time.monotonic() - begun < TIMEOUT
    assert str(caught.value) == (
        f"shop (pid {os.getpid()}) did not answer within 0.05 s; is it stopped or stuck?"
    )


def test_the_timeout_counts_from_the_request_however_slowly_bytes_drip(path: Path) -> None:
    with claim(path) as listener, Client(path, timeout=0.05) as client:
        listener.setblocking(True)
        client.send(Request("stats"))
        served, _ = listener.accept()
        with served:
            served.sendall(b'{"prefork": 1')
            with pytest.raises(ControlError, match="did not answer"):
                client.receive()


def test_an_answer_that_came_in_time_is_taken_however_late_it_is_read(path: Path) -> None:
    with claim(path) as listener, Client(path, timeout=0.0) as client:
        listener.setblocking(True)
        client.send(Request("stats"))
        served, _ = listener.accept()
        with served:
            served.sendall(result(a=1))
            assert client.receive() == {"a": 1}


def test_a_primary_whose_backlog_is_full_is_told_as_stuck(path: Path) -> None:
    with claim(path), ExitStack() as stack:
        for _ in range(200):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            if client.connect_ex(str(path)):
                break
        with pytest.raises(ControlError, match="did not answer within"):
            Client(path, timeout=0.05)


def test_an_instance_that_does_not_run_is_told_by_its_name(path: Path) -> None:
    with pytest.raises(ControlError, match=r"^no instance called shop is running$"):
        Client(path)
    with socket.socket(socket.AF_UNIX) as dying:
        dying.bind(str(path))
    with pytest.raises(ControlError, match=r"^no instance called shop is running$"):
        Client(path)


def test_a_path_that_cannot_be_connected_is_told_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="too long"):
        Client(tmp_path / ("x" * 200))
    (tmp_path / "file").touch()
    with pytest.raises(ControlError, match="not a directory"):
        Client(tmp_path / "file" / "x.sock")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ([], "shop hung up without an answer"),
        ([b'{"prefork": 1, "ok"'], "shop hung up without an answer"),
        ([b"SSH-2.0-OpenSSH\n"], "shop: not an answer"),
        ([line(ok=False, error="no such verb: x")], "shop: no such verb: x"),
        ([b'{"prefork": 2, "ok": true, "result": {}}\n'], "shop: the other side speaks protocol 2"),
    ],
)
def test_a_strange_answer_is_one_clear_error(path: Path, reply: list[bytes], said: str) -> None:
    assert failure(path, reply).startswith(said)


def test_an_answer_without_end_is_cut_off(path: Path) -> None:
    assert failure(path, [b"x" * (MAX_ANSWER + 1)]) == "shop answers without end"


def test_a_survey_asks_all_at_once_and_takes_one_timeout(tmp_path: Path) -> None:
    good, dead = tmp_path / "good.sock", tmp_path / "dead.sock"
    stopped = [tmp_path / f"stopped{number}.sock" for number in range(MANY)]
    with ExitStack() as stack:
        stack.enter_context(instance(good, lambda _: [result(a=1)]))
        for each in stopped:
            stack.enter_context(silent_instance(each))
        begun = time.monotonic()
        heard = survey([Instance(p.stem, p) for p in (*stopped, dead, good)], timeout=0.3)
        assert time.monotonic() - begun < MANY * 0.3 / 2
    assert [each.answer for each in heard] == [None] * (MANY + 1) + [{"a": 1}]
    assert [each.pid for each in heard] == [os.getpid()] * MANY + [None, os.getpid()]
