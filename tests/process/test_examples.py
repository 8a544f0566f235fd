"""Every program in examples/ serves over real sockets what it promises."""

import hashlib
import http.client
import io
import json
import os
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from tests.process.conftest import Serve
from tests.support import certificates
from tests.support.asking import ask
from tests.support.program import ROOT, Program, interpreter

EXAMPLES = ("--app-dir", str(ROOT / "examples"), "--workers", "2")
FIVE_MEGABYTES = 5 * 1024 * 1024


@pytest.fixture(params=["auto", "on", "off"])
def preload(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def started(serve: Serve, app: str, preload: str = "auto") -> Program:
    return serve(*EXAMPLES, "--preload", preload, app=app)


def test_the_bare_handler_answers_from_every_worker(serve: Serve, preload: str) -> None:
    program = started(serve, "hello:handler", preload)
    texts = {ask(program.port, "/any/path").body.decode() for _ in range(4)}
    pids = program.workers(2)
    assert texts == {f"Hello from process {pid}, you asked for /any/path\n" for pid in pids}


def test_fastapi_has_its_lifespan_and_its_dependency(serve: Serve, preload: str) -> None:
    port = started(serve, "fastapi_app:app", preload).port
    note = {"title": "welcome", "text": "served by prefork"}
    assert json.loads(ask(port, "/notes/welcome").body) == note


def test_fastapi_takes_json_and_says_what_is_wrong_with_it(serve: Serve) -> None:
    port = started(serve, "fastapi_app:app").port
    note = json.dumps({"title": "a", "text": "b"}).encode()
    assert ask(port, "/notes", method="POST", body=note, kind="application/json").status == 201
    assert ask(port, "/notes", method="POST", body=b"{}", kind="application/json").status == 422
    assert ask(port, "/notes/none").status == 404


def test_fastapi_streams_its_response_in_chunks(serve: Serve) -> None:
    reply = ask(started(serve, "fastapi_app:app").port, "/countdown/3")
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.body == b"3\n2\n1\nlift-off\n"


def test_head_has_the_headers_of_get_and_no_body(serve: Serve) -> None:
    port = started(serve, "hello:handler").port
    head = ask(port, "/", method="HEAD")
    assert head.body == b""
    assert head.headers["content-length"] == ask(port, "/").headers["content-length"]


def test_starlette_takes_an_upload_of_5_mb(serve: Serve) -> None:
    port = started(serve, "starlette_app:app").port
    body = os.urandom(FIVE_MEGABYTES)
    assert json.loads(ask(port, "/upload", method="POST", body=body).body) == {
        "sha256": hashlib.sha256(body).hexdigest(),
        "size": FIVE_MEGABYTES,
    }


def test_starlette_takes_an_upload_in_chunks(serve: Serve) -> None:
    port = started(serve, "starlette_app:app").port
    pieces = [os.urandom(size) for size in (1, 100_000, 7, 1_000_000)]
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("POST", "/upload", iter(pieces), encode_chunked=True)
        answer = json.loads(connection.getresponse().read())
    assert answer["sha256"] == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_starlette_takes_a_file_from_a_form(serve: Serve) -> None:
    port = started(serve, "starlette_app:app").port
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    body = part + b"contents" + b"\r\n--b--\r\n"
    reply = ask(port, "/form", method="POST", body=body, kind="multipart/form-data; boundary=b")
    assert json.loads(reply.body)["sha256"] == hashlib.sha256(b"contents").hexdigest()


def test_starlette_gives_a_download_of_5_mb(serve: Serve) -> None:
    port = started(serve, "starlette_app:app").port
    reply = ask(port, "/download")
    assert reply.headers["content-length"] == str(FIVE_MEGABYTES)
    assert reply.body == bytes(range(256)) * 256 * 80


def test_two_downloads_and_an_upload_share_one_connection(serve: Serve) -> None:
    port = started(serve, "starlette_app:app").port
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        for method, path, body in (
            ("GET", "/download", None),
            ("POST", "/upload", bytes(FIVE_MEGABYTES)),
            ("GET", "/download", None),
        ):
            connection.request(method, path, body)
            opened = connection.sock
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
            assert connection.sock is opened


TEAS = ("flask_app:app", "django_app:asgi", "django_app:wsgi", "litestar_app:app")
FORM = "application/x-www-form-urlencoded"
BOUNDARY = b"tea-leaves"  # long: Django takes it for one wherever it stands, also in random bytes
PART = b"--%b\r\n" % BOUNDARY
PART += b'Content-Disposition: form-data; name="file"; filename="f"\r\n\r\n%b\r\n'
PART += b"--%b--\r\n" % BOUNDARY


@pytest.mark.parametrize("app", TEAS)
def test_the_tea_shop_of_each_framework_answers(serve: Serve, app: str) -> None:
    """Flask, Django by both its interfaces, and Litestar: JSON, a form, an upload, a stream."""
    port = serve("--app-dir", str(ROOT / "examples"), app=app).port
    assert json.loads(ask(port, "/teas/green").body) == {"name": "green", "minutes": 2}
    assert ask(port, "/teas/none").status == 404
    added = ask(port, "/teas", method="POST", body=b"name=white&minutes=4", kind=FORM)
    assert (added.status, json.loads(added.body)) == (201, {"name": "white", "minutes": 4})
    assert json.loads(ask(port, "/teas/white").body)["minutes"] == 4
    contents = os.urandom(1_000_000)
    kind = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    taken = ask(port, "/form", method="POST", body=PART % contents, kind=kind)
    assert json.loads(taken.body) == {
        "sha256": hashlib.sha256(contents).hexdigest(),
        "size": len(contents),
    }
    stream = ask(port, "/countdown/3")
    assert stream.headers["transfer-encoding"] == "chunked"
    assert stream.body == b"3\n2\n1\nlift-off\n"


@pytest.mark.parametrize("app", TEAS)
def test_no_framework_leaves_a_thread_that_would_hinder_the_fork(serve: Serve, app: str) -> None:
    program = serve("--app-dir", str(ROOT / "examples"), app=app)
    assert program.journal.entries("preload_declined") == []


def test_flask_takes_an_upload_of_5_mb_in_chunks(serve: Serve) -> None:
    port = started(serve, "flask_app:app").port
    body = os.urandom(FIVE_MEGABYTES)
    pieces = [body[start : start + 99_999] for start in range(0, len(body), 99_999)]
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("POST", "/upload", iter(pieces), encode_chunked=True)
        answer = json.loads(connection.getresponse().read())
    assert answer == {"sha256": hashlib.sha256(body).hexdigest(), "size": FIVE_MEGABYTES}


FIRST_ASKED = {  # by example: what it is asked for, and what is in the answer
    "hello:handler": ("/tea", b"you asked for /tea"),
    "fastapi_app:app": ("/notes/welcome", b"served by prefork"),
    "starlette_app:app": ("/download", bytes(range(256))),
    "thumbnails:app": ("/", b" is here"),
    "password_hash:app": ("/", b"pid"),
    **dict.fromkeys(TEAS, ("/teas/green", b"green")),
}


def answers(connection: http.client.HTTPConnection, app: str) -> None:
    """See that the example gives its first answer."""
    path, expected = FIRST_ASKED[app]
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        assert expected in answer.read()


@pytest.mark.parametrize("app", FIRST_ASKED)
def test_every_example_answers_over_a_unix_socket(serve: Serve, app: str, tmp_path: Path) -> None:
    place = tmp_path / "http.sock"
    serve("--app-dir", str(ROOT / "examples"), "--bind", f"unix:{place}", app=app)
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(10)
    connection.sock.connect(str(place))
    answers(connection, app)


@pytest.mark.parametrize("app", FIRST_ASKED)
def test_every_example_answers_over_tls(serve: Serve, app: str, tmp_path: Path) -> None:
    files = certificates.write(tmp_path)
    port = serve("--app-dir", str(ROOT / "examples"), *files.options, app=app).port
    context = certificates.client_context()
    answers(http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context), app)


POOLED = (*EXAMPLES, "--pool", "2")


def test_thumbnails_are_made_in_the_pool_as_they_would_be_in_the_worker(serve: Serve) -> None:
    port = serve(*POOLED, app="thumbnails:app").port
    photo = io.BytesIO()
    Image.effect_noise((1200, 900), 60).save(photo, "PNG")  # 1 MB: it travels beside the line
    replies = [
        ask(port, f"{path}?width=120", method="POST", body=photo.getvalue())
        for path in ("/thumbnail", "/blocking")
    ]
    assert [(each.status, each.headers["content-type"]) for each in replies] == (
        [(200, "image/webp")] * 2
    )
    assert replies[0].body == replies[1].body
    with Image.open(io.BytesIO(replies[0].body)) as made:
        assert (made.format, made.size) == ("WEBP", (120, 90))
    refused = ask(port, "/thumbnail", method="POST", body=b"no image at all")
    assert (refused.status, refused.body) == (422, b"no image: UnidentifiedImageError\n")


def test_without_a_pool_no_thumbnail_is_made_but_the_rest_is_served(serve: Serve) -> None:
    port = started(serve, "thumbnails:app").port
    assert ask(port, "/thumbnail", method="POST", body=b"x").status == 500
    assert ask(port, "/").status == 200


def test_users_register_and_log_in_at_whichever_worker(serve: Serve, tmp_path: Path) -> None:
    port = serve(*POOLED, app="password_hash:app", prefix=("env", "-C", str(tmp_path))).port

    def said(path: str, name: str, password: str) -> int:
        given = json.dumps({"name": name, "password": password}).encode()
        return ask(port, path, method="POST", body=given, kind="application/json").status

    assert said("/register", "ada", "lovelace") == 201
    assert said("/register", "ada", "byron") == 409
    assert [said("/login", "ada", "lovelace") for _ in range(2)] == [200, 200]
    assert said("/login", "ada", "byron") == 401
    assert said("/login", "charles", "lovelace") == 401
    assert said("/login", "", "lovelace") == 422
    assert b"lovelace" not in (tmp_path / "users.sqlite3").read_bytes()


def test_the_heavy_application_calculates(serve: Serve) -> None:
    pytest.importorskip("pandas")
    port = started(serve, "heavy_app:app").port
    assert json.loads(ask(port, "/sales").body)["Rome"] == 1499.5


def test_it_counts_all_primes(tmp_path: Path) -> None:
    done = subprocess.run(
        [*interpreter(tmp_path), str(ROOT / "examples" / "pool_script.py")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "17984 primes so far"
    assert done.stderr == ""
