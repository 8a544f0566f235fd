"""`cluster.worker`: what an application says to the primary, hears from it, and asks to be."""

import asyncio
import os
import socket
import threading
from typing import Any

import pytest
from tests.support.scarcity import used_up
from tests.worker.conftest import Run
from tests.worker.posted import IDENTITY, Heard, primary_of, within

from prefork.errors import RequestError
from prefork.wire import descriptors
from prefork.wire.letters import Kind
from prefork.wire.messages import Admit, Lead, Leaving, Ready, Stop, Want
from prefork.wire.post import BACKLOG, encode
from prefork.worker.member import Member

# -- who it is ---------------------------------------------------------------


def test_it_knows_who_it_is() -> None:
    member = Member(IDENTITY)
    assert (member.id, member.slot, member.generation, member.pid) == (7, 1, 2, os.getpid())
    assert not member.is_leader


def test_before_a_worker_lives_it_says_so_but_takes_handlers(run: Run) -> None:
    async def scenario() -> None:
        member, heard = Member(), Heard()
        assert member.on_message(heard) is heard
        with pytest.raises(RuntimeError, match="no worker lives yet"):
            assert member.id
        with pytest.raises(RuntimeError, match="no worker lives yet"):
            member.send("x")
        member.be(IDENTITY)  # forked
        async with primary_of(member) as primary:
            primary.lay()
            primary.tell("hello")
            assert await heard.count(1) == ["hello"]

    run(scenario())


# -- messages ----------------------------------------------------------------


def test_nothing_is_laid_before_it_is_used(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            before = descriptors.count_open()
            primary.member.on_message(Heard())
            await asyncio.sleep(0)
            assert descriptors.count_open() == before
            assert primary.channel.receive() == []
            primary.member.send("now")
            assert await primary.hear() == [Want("post")]

    run(scenario())


def test_what_is_sent_before_the_line_is_there_arrives(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            assert primary.member.send({"a": b"1"})
            assert primary.member.send(2)
            await primary.meet()
            assert primary.member.send(3)
            assert await primary.values(3) == [{"a": b"1"}, 2, 3]
            assert primary.channel.receive() == [], "it asked twice"

    run(scenario())


def test_what_is_sent_before_there_is_a_loop_arrives(run: Run) -> None:
    member = Member(IDENTITY)
    assert member.send("post_fork")
    thread = threading.Thread(target=member.send, args=("thread",))
    thread.start()
    thread.join()

    async def scenario() -> None:
        async with primary_of(member) as primary:
            await primary.meet()
            assert await primary.values(2) == ["post_fork", "thread"]

    run(scenario())


def test_bytes_and_circular_structures_are_a_clear_error_at_send(run: Run) -> None:
    async def scenario() -> None:
        again: list[Any] = []
        again.append(again)
        async with primary_of() as primary:
            for value, error in ((again, ValueError), (object(), TypeError), (2**64, ValueError)):
                with pytest.raises(error):
                    primary.member.send(value)
            with pytest.raises(OSError, match="Bad file"):
                primary.member.send("x", [999_999])
            primary.member.send(b"\x00bytes\xff")
            await primary.meet()
            assert await primary.values(1) == [b"\x00bytes\xff"]

    run(scenario())


def test_a_descriptor_and_800_kb_are_one_message_both_ways(run: Run) -> None:
    async def scenario() -> None:
        payload = os.urandom(800_000)
        got: asyncio.Future[tuple[bytes, list[int]]] = asyncio.get_running_loop().create_future()
        near, far = socket.socketpair()
        async with primary_of() as primary:
            primary.member.on_message(lambda value, fds: got.set_result((value, fds)))
            primary.member.send(payload, [near])
            await primary.meet()
            [letter] = await primary.letters(1)
            primary.say(Kind.MESSAGE, 0, letter.payload, letter.descriptors)
            descriptors.close_all(letter.descriptors)
            value, [descriptor] = await within(got)
            assert value == payload
            with socket.socket(fileno=descriptor) as back, near, far:
                back.send(b"x")
                assert far.recv(2) == b"x"

    run(scenario())


def test_descriptors_that_no_handler_takes_are_closed(run: Run) -> None:
    async def scenario() -> None:
        heard = Heard()
        async with primary_of() as primary:
            primary.member.on_message(heard)
            primary.lay()
            primary.tell("first")
            await heard.count(1)
            before = descriptors.count_open()
            primary.say(Kind.MESSAGE, 0, encode("x"), [0, 0])
            await heard.count(2)
            assert descriptors.count_open() == before

    run(scenario())


def test_send_returns_false_under_backlog_and_drain_waits_until_it_is_true(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            primary.member.send("first")
            await primary.meet()
            await primary.letters(1)
            count = 1
            while primary.member.send(bytes(100_000)):
                count += 1
            assert count * 100_000 > BACKLOG
            drained = asyncio.ensure_future(primary.member.drain())
            await asyncio.sleep(0)
            assert not drained.done()
            await primary.letters(count)
            await within(drained)
            assert primary.member.send("more")
            await within(primary.member.drain())

    run(scenario())


def test_send_after_the_end_returns_false_and_drain_does_not_wait(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            primary.member.send("first")
            await primary.meet()
            await primary.letters(1)
            while primary.member.send(bytes(100_000)):
                continue
            primary.post.close()
            await within(primary.member.drain())
            assert not primary.member.send("second")
            with pytest.raises(RequestError, match="not heard any more"):
                await primary.member.request("?", 5)

    run(scenario())


def test_any_thread_may_send_and_keeps_its_descriptors(run: Run) -> None:
    async def scenario() -> None:
        near, far = socket.socketpair()

        def work() -> None:
            with near:
                for number in range(100):
                    assert primary.member.send(number, [near] if number == 99 else [])
            with pytest.raises(TypeError):
                primary.member.send(object())

        async with primary_of() as primary:
            working = asyncio.to_thread(work)
            meeting = asyncio.ensure_future(primary.meet())
            await working
            await meeting
            letters = await primary.letters(100)
            assert [letter.payload for letter in letters] == [encode(n) for n in range(100)]
            [descriptor] = letters[-1].descriptors
            with socket.socket(fileno=descriptor) as back, far:
                back.send(b"x")
                assert far.recv(2) == b"x"
            assert far.fileno() == -1

    run(scenario())


def test_a_line_whose_end_no_descriptor_was_free_for_is_asked_for_again(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            primary.member.send("waits")
            await primary.meet()
            lost = primary.post
            with used_up():
                for _ in range(3):
                    await asyncio.sleep(0)
            await primary.meet()
            assert await primary.values(1) == ["waits"]
            lost.receive()
            assert lost.is_ended
            lost.close()

    run(scenario())
    assert "line_lost kind=post" in capfd.readouterr().err


# -- requests ----------------------------------------------------------------


def test_a_request_returns_the_answer(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            asking = asyncio.gather(*(primary.member.request(n, 5) for n in range(3)))
            await primary.meet()
            for letter in reversed(await primary.letters(3)):
                assert letter.kind == Kind.REQUEST
                primary.say(Kind.REPLY, letter.number, letter.payload)
            assert await within(asking) == [0, 1, 2]

    run(scenario())


def test_a_request_that_fails_raises_the_reason(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            asking = asyncio.ensure_future(primary.member.request("?", 5))
            await primary.meet()
            [letter] = await primary.letters(1)
            primary.say(Kind.FAILURE, letter.number, encode("no such thing"))
            with pytest.raises(RequestError, match="no such thing"):
                await within(asking)

    run(scenario())


def test_a_request_without_an_answer_ends_in_time_and_a_late_answer_is_nobodys(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            with pytest.raises(TimeoutError, match=r"did not answer within 0.01 s"):
                await primary.member.request("?", 0.01)
            await primary.meet()
            [letter] = await primary.letters(1)
            heard = Heard()
            primary.member.on_message(heard)
            primary.say(Kind.REPLY, letter.number, encode("late"), [0])
            primary.tell("next")
            assert await heard.count(1) == ["next"]

    run(scenario())


def test_a_request_that_the_full_line_does_not_take_fails_without_its_timeout(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            for _ in range(200):
                primary.member.send(bytes(100_000))
            with pytest.raises(RequestError, match="does not read"):
                await within(primary.member.request("?", 60))

    run(scenario())


def test_a_request_ends_with_its_line(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            asking = asyncio.ensure_future(primary.member.request("?", 5))
            await primary.meet()
            await primary.letters(1)
            primary.post.close()
            with pytest.raises(RequestError, match="not heard any more"):
                await within(asking)

    run(scenario())


# -- life --------------------------------------------------------------------


def test_disconnect_waits_for_the_primarys_order(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            primary.link.ready(Ready(1))
            leaving = asyncio.gather(primary.member.disconnect(), primary.member.disconnect())
            await asyncio.sleep(0)  # until it has been said
            assert await primary.hear() == [Ready(1), Leaving()]
            primary.channel.send(Admit())
            await asyncio.sleep(0.01)
            assert not leaving.done()
            primary.channel.send(Stop(5))
            await within(leaving)
            await within(primary.member.disconnect())
            assert primary.channel.receive() == []

    run(scenario())


def test_the_leader_is_told_so_until_it_is_stopped(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            waiting = asyncio.ensure_future(primary.member.leader())
            await asyncio.sleep(0.01)
            assert not waiting.done()
            primary.channel.send(Lead())
            await within(waiting)
            assert primary.member.is_leader
            await within(primary.member.leader())
            primary.channel.send(Stop(5))
            await within(primary.link.until_told())
            assert not primary.member.is_leader
            primary.channel.send(Lead())
            late = asyncio.ensure_future(primary.member.leader())
            primary.channel.send(Stop(4))
            await within(primary.link.until_told())
            assert not late.done()
            late.cancel()

    run(scenario())


def test_who_was_to_lead_and_is_told_to_stop_in_one_breath_does_not(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            leading = asyncio.ensure_future(primary.member.leader())
            await asyncio.sleep(0)
            primary.channel.send(Lead())
            primary.channel.send(Stop(5))
            await within(primary.link.until_told())
            await asyncio.sleep(0)
            assert not leading.done()
            leading.cancel()

    run(scenario())


def test_to_be_the_leader_or_introduced_is_no_admission(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            told = asyncio.ensure_future(primary.link.until_told())
            primary.channel.send(Lead())
            primary.lay()
            await within(primary.member.leader())
            await asyncio.sleep(0)
            assert not told.done()
            primary.channel.send(Admit())
            await within(told)

    run(scenario())


def test_a_thread_may_call_a_coroutine(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:

            async def double(value: int) -> int:
                await asyncio.sleep(0)
                return 2 * value

            assert await asyncio.to_thread(primary.member.call, double(4), 5) == 8
            never = asyncio.Event()
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(primary.member.call, never.wait(), 0.01)
            with pytest.raises(RuntimeError, match="only threads"):
                primary.member.call(double(4), 5)

    run(scenario())


def test_what_needs_an_event_loop_says_so_before_there_is_one() -> None:
    async def nothing() -> None:
        return

    member = Member(IDENTITY)
    with pytest.raises(RuntimeError, match="only threads"):
        member.call(nothing(), 1)
    with pytest.raises(RuntimeError, match="does not run yet"):
        asyncio.run(member.leader())
    with pytest.raises(RuntimeError, match="does not run yet"):
        asyncio.run(member.request("x", 5))


def said_by_a_copy(member: Member) -> bytes:
    """Fork, try to speak in the copy, and return what came of it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            member.send("mine")
        except RuntimeError:
            os.write(writing, b"leads" if member.is_leader else b"refused")
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        return said.read()


def test_what_the_leader_forks_neither_leads_nor_speaks_in_its_name(run: Run) -> None:
    async def scenario() -> None:
        async with primary_of() as primary:
            primary.channel.send(Lead())
            await within(primary.member.leader())
            assert said_by_a_copy(primary.member) == b"refused"
            assert primary.member.is_leader

    run(scenario())
