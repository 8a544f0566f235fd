"""TLS of the real program: what its clients notice, whichever worker they come to."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.process.test_bad_input import complaint, serve_in_vain
from tests.support import certificates
from tests.support.certificates import HOST, Files
from tests.support.program import ROOT, Program, Stats, run
from tests.support.secure import SecureCaller, ask

from prefork.errors import ExitCode

WORKERS = 2
APP = "tests.support.apps:app"
ECHO = "tests.support.echo:app"
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing")
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture
def files(tmp_path: Path) -> Files:
    place = tmp_path / "certificates"
    place.mkdir()
    return certificates.write(place)


def connections(stats: Stats) -> int:
    return sum(int(each["connections"]) for each in stats["workers"])


def is_empty(stats: Stats) -> bool:
    return connections(stats) == 0


# Sessions


def s_client(program: Program, *options: str) -> str:
    """Ask with openssl for the pid of who answers; return all that it says."""
    asked = b"GET /pid HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    command = ["openssl", "s_client", "-connect", program.bind[0], "-ign_eof", *options]
    done = subprocess.run(command, input=asked, capture_output=True, timeout=20, check=False)
    return done.stdout.decode(errors="replace")


def pid_in(said: str) -> int:
    found = re.search(r"\r\n\r\n(\d+)", said)
    assert found is not None, said
    return int(found[1])


@needs_openssl
@pytest.mark.parametrize("preload", ["auto", "off"])
def test_openssl_goes_on_with_its_session_at_another_worker(
    serve: Serve, files: Files, tmp_path: Path, preload: str
) -> None:
    program = serve("--workers", str(WORKERS), "--preload", preload, *files.options)
    kept = str(tmp_path / "session.pem")
    first = s_client(program, "-tls1_3", "-sess_out", kept)
    second = s_client(program, "-tls1_3", "-sess_in", kept)
    assert "New, TLSv1.3" in first
    assert "Reused, TLSv1.3" in second
    assert {pid_in(first), pid_in(second)} == set(program.workers(WORKERS))


@needs_openssl
def test_openssl_reconnects_by_tls_1_2_with_its_session(serve: Serve, files: Files) -> None:
    program = serve("--workers", str(WORKERS), *files.options)
    said = s_client(program, "-tls1_2", "-reconnect")
    assert said.count("New, TLSv1.2") == 1
    assert said.count("Reused, TLSv1.2") == 5


@pytest.mark.parametrize(
    ("policy", "preload"), [("rr", "auto"), ("rr", "off"), ("shared", "auto"), ("reuseport", "off")]
)
def test_a_session_goes_on_at_any_worker_under_any_policy(
    serve: Serve, files: Files, policy: str, preload: str
) -> None:
    options = ("--workers", str(WORKERS), "--policy", policy, "--preload", preload)
    program = serve(*options, *files.options)
    for version in (TLS_1_2, TLS_1_3):
        assert_goes_on(program, version)


def assert_goes_on(program: Program, version: ssl.TLSVersion) -> None:
    """Go on with one session until every worker was met."""
    context = certificates.client_context()
    context.minimum_version = context.maximum_version = version
    with closing(SecureCaller(program.port, context)) as first:
        met = {first.ask("/pid").pid}
        session = first.socket.session
    with ExitStack() as opened:
        for _ in range(50):
            caller = SecureCaller(program.port, context, session)
            opened.callback(caller.close)
            assert caller.socket.session_reused
            met.add(caller.ask("/pid").pid)
            if len(met) == WORKERS:
                return
    raise AssertionError(f"of 50 connections none met another worker than {met}")


def test_a_session_goes_on_at_a_worker_that_took_anothers_place(serve: Serve, files: Files) -> None:
    program = serve(*files.options)
    context = certificates.client_context()
    with closing(SecureCaller(program.port, context)) as first:
        old = first.ask("/pid").pid
        session = first.socket.session
    assert old == program.workers(1)[0]
    os.kill(old, signal.SIGKILL)
    program.settled(lambda stats: stats["workers"][0]["pid"] not in (old, None))
    program.workers(1)
    with closing(SecureCaller(program.port, context, session)) as second:
        assert second.socket.session_reused
        assert second.ask("/pid").pid != old


# Requests


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_ten_megabytes_come_whole_up_and_down(
    serve: Serve, files: Files, version: ssl.TLSVersion
) -> None:
    program = serve(*files.options, app=ECHO)
    context = certificates.client_context()
    context.minimum_version = context.maximum_version = version
    body = bytes(range(256)) * 40_960
    with closing(SecureCaller(program.port, context)) as caller:
        for _ in range(2):  # on one connection
            assert caller.ask("/", body).body == body


def test_requests_in_one_record_are_answered_in_order(serve: Serve, files: Files) -> None:
    program = serve(*files.options, app=ECHO)
    with closing(SecureCaller(program.port)) as caller:
        post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n%d"
        caller.socket.sendall(b"".join(post % number for number in range(5)))
        seen = b""
        while seen.count(b"HTTP/1.1 200") < 5 or not seen.endswith(b"4"):
            piece = caller.socket.recv(65536)
            assert piece, seen
            seen += piece
    heads = seen.split(b"HTTP/1.1 200 OK")[1:]
    assert [head[-1:] for head in heads] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_unix_socket_speaks_tls_too(serve: Serve, files: Files, tmp_path: Path) -> None:
    path = tmp_path / "shop.sock"
    serve("--bind", f"unix:{path}", *files.options)
    with socket.socket(socket.AF_UNIX) as plain:
        plain.connect(str(path))
        with certificates.client_context().wrap_socket(plain, server_hostname=HOST) as secure:
            secure.sendall(b"GET /pid HTTP/1.1\r\nHost: a\r\n\r\n")
            assert secure.recv(65536).startswith(b"HTTP/1.1 200")


def test_clients_have_to_show_what_the_authority_has_signed(serve: Serve, files: Files) -> None:
    authority = certificates.write_authority(files.certfile.parent)
    program = serve(*files.options, "--ca-certs", str(authority))
    with closing(SecureCaller(program.port, certificates.client_context(files))) as known:
        assert known.ask("/pid").status == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(program.port, "/pid")


def test_without_a_certificate_clients_are_served_where_that_is_optional(
    serve: Serve, files: Files
) -> None:
    authority = certificates.write_authority(files.certfile.parent)
    demand = ("--ca-certs", str(authority), "--client-certs", "optional")
    assert ask(serve(*files.options, *demand).port, "/pid").status == 200


@needs_openssl
def test_only_the_ciphers_that_were_asked_for_are_agreed_on(serve: Serve, files: Files) -> None:
    program = serve(*files.options, "--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256")
    assert "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256" in s_client(program, "-tls1_2")
    refused = s_client(program, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384")
    assert "Cipher is (NONE)" in refused


# Clients that fail


def hello() -> bytes:
    there = ssl.MemoryBIO()
    client = certificates.client_context().wrap_bio(ssl.MemoryBIO(), there, server_hostname=HOST)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return there.read()


@pytest.mark.parametrize("said", [b"", b"part", b"whole", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_who_does_not_complete_a_handshake_is_closed_at_the_header_timeout(
    serve: Serve, files: Files, said: bytes
) -> None:
    program = serve("--header-timeout", "1", *files.options)
    said = {b"part": hello()[:40], b"whole": hello()}.get(said, said)
    with socket.create_connection((HOST, program.port), 5) as client:
        client.sendall(said)
        while client.recv(65536):
            pass
    program.settled(is_empty)
    assert ask(program.port, "/pid").status == 200
    assert "Traceback" not in program.journal.text
    assert '"error"' not in program.journal.text


def test_many_who_leave_within_the_handshake_leave_nothing_behind(
    serve: Serve, files: Files
) -> None:
    program = serve("--workers", str(WORKERS), *files.options)
    whole = hello()
    for number in range(200):
        with socket.create_connection((HOST, program.port), 5) as client:
            client.sendall(whole[: number * len(whole) // 199])
    assert ask(program.port, "/pid").status == 200
    program.settled(is_empty)
    assert program.stats()["totals"]["accepted"] == 201
    assert "Traceback" not in program.journal.text
    assert '"warning"' not in program.journal.text
    assert '"error"' not in program.journal.text


# Stops


def test_a_stop_loses_no_request_and_no_handshake(serve: Serve, files: Files) -> None:
    program = serve("--workers", str(WORKERS), *files.options)
    with ExitStack() as opened:
        asking = [SecureCaller(program.port) for _ in range(8)]
        for caller in asking:
            opened.callback(caller.close)
            caller.send("/slow?seconds=0.5")
        program.journal.wait_for_line("app: slow", count=8)
        early = [socket.create_connection((HOST, program.port), 10) for _ in range(4)]
        program.settled(lambda stats: connections(stats) == 12)
        program.signal(signal.SIGTERM)
        program.journal.wait_for("signal")
        for plain in early:
            assert_answered(plain)
        assert [caller.reply().status for caller in asking] == [200] * 8
    assert program.wait() == ExitCode.OK


def assert_answered(plain: socket.socket) -> None:
    """Shake hands, ask, be answered for the last time, and be told goodbye."""
    with certificates.client_context().wrap_socket(
        plain, server_hostname=HOST, suppress_ragged_eofs=False
    ) as secure:
        secure.sendall(b"GET /pid HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = b""
        while piece := secure.recv(65536):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert b"connection: close" in answer


def test_a_handshake_that_never_ends_does_not_outlast_the_graceful_timeout(
    serve: Serve, files: Files
) -> None:
    program = serve("--graceful-timeout", "1", *files.options)
    with socket.create_connection((HOST, program.port), 10) as client:
        client.sendall(hello()[:40])
        program.settled(lambda stats: connections(stats) == 1)
        program.signal(signal.SIGTERM)
        assert program.wait() == ExitCode.OK  # no request was lost


# What is told


def test_the_block_of_a_start_has_links_that_say_https(serve: Serve, files: Files) -> None:
    program = serve(*files.options, "--log-format", "text")
    program.journal.wait_for_line(f"https://{program.bind[0]}")


def test_what_is_wrong_with_the_files_ends_check_and_start_with_one_line(
    tmp_path: Path, files: Files
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    stranger = certificates.write(other)
    mixed = ["--certfile", str(files.certfile), "--keyfile", str(stranger.keyfile)]
    missing = ["--certfile", str(tmp_path / "gone.pem")]
    for options, reason in ((mixed, "does not belong"), (missing, "can be read")):
        for preload in ("auto", "off"):
            given = [APP, *options, "--preload", preload, "--bind", f"{HOST}:0"]
            served = serve_in_vain(tmp_path, *given)
            checked = run("check", "--app-dir", str(ROOT), *given, home=tmp_path)
            for outcome in (served, checked):
                assert outcome.code == ExitCode.USAGE, outcome
                assert reason in complaint(outcome)
                assert "Traceback" not in outcome.err


def test_an_expired_certificate_is_served_with_a_warning(serve: Serve, files: Files) -> None:
    certificates.write(files.certfile.parent, valid=certificates.LONG_AGO)
    program = serve(*files.options)
    (warning,) = program.journal.wait_for("certificate_untimely")
    assert (warning["file"], warning["reason"]) == (str(files.certfile), "it has expired")
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        ask(program.port, "/pid")
