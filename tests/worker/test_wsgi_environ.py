"""What a WSGI application is told of a request."""

import socket
import sys
from typing import Any
from wsgiref.validate import validator

from tests.worker.conftest import Run
from tests.worker.gateway import Environ, Start, get, hello, post
from tests.worker.rig import GET, rig


def environ_for(run: Run, request: bytes, **options: Any) -> Environ:
    seen: Environ = {}

    def app(environ: Environ, start: Start) -> list[bytes]:
        seen.update(environ)
        return hello(environ, start)

    async def scenario() -> None:
        async with rig(app, "wsgi", **options) as made:
            assert (await (await made.connect(socket.AF_INET)).get(request)).status == 200

    run(scenario())
    return seen


def test_the_environ_is_that_of_pep_3333(run: Run) -> None:
    seen = environ_for(run, get("/a%20b?c=%20", "X-One: 1", "x-one: 2", "Content-Type: text/x"))
    assert seen.pop("SERVER_PORT").isdigit()
    assert seen.pop("REMOTE_PORT").isdigit()
    assert seen.pop("SERVER_SOFTWARE").startswith("prefork/")
    assert seen.pop("wsgi.input").read() == b""
    assert seen.pop("wsgi.errors") is sys.stderr
    assert seen == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "c=%20",
        "RAW_URI": "/a%20b?c=%20",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "text/x",
        "HTTP_HOST": "a",
        "HTTP_X_ONE": "1,2",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }


def test_it_is_multithreaded_where_there_are_threads(run: Run) -> None:
    assert environ_for(run, GET, threads=2)["wsgi.multithread"] is True


def test_wsgirefs_validator_finds_nothing_wrong(run: Run) -> None:
    def app(environ: Environ, start: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(5)
        start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    async def scenario() -> None:
        async with rig(validator(app), "wsgi") as made:
            client = await made.connect()
            assert (await client.get(post(b"hello"))).body == b"hello"

    run(scenario())


def test_a_path_that_is_no_utf_8_keeps_its_bytes(run: Run) -> None:
    assert environ_for(run, get("/%FF%C3%A4"))["PATH_INFO"] == "/\xff\xc3\xa4"


def test_the_root_path_is_the_script_name(run: Run) -> None:
    seen = environ_for(run, get("/shop"), root_path="/shop")
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/shop", "/shop")


def test_a_header_with_an_underscore_is_left_out(run: Run) -> None:
    for _ in range(2):  # the second time the names are known
        seen = environ_for(
            run, get("/", "X_User: forged", "X-User: true", "Content_Length: 9", "Content_Type: x")
        )
        assert seen["HTTP_X_USER"] == "true"
        assert "forged" not in seen.values()
        assert {key for key in seen if "CONTENT" in key} == set()


def test_no_number_of_header_names_takes_the_content_type_away(run: Run) -> None:
    async def scenario() -> None:
        seen: list[str | None] = []

        def app(environ: Environ, start: Start) -> list[bytes]:
            seen.append(environ.get("CONTENT_TYPE"))
            return hello(environ, start)

        async with rig(app, "wsgi") as made:
            client = await made.connect()
            for batch in range(12):
                names = [f"X-{batch}-{number}: 1" for number in range(100)]
                await client.get(get("/", *names, "Content-Type: text/x"))
        assert seen == ["text/x"] * 12

    run(scenario())


def test_several_cookies_are_joined_as_cookies_are(run: Run) -> None:
    assert environ_for(run, get("/", "Cookie: a=1", "Cookie: b=2"))["HTTP_COOKIE"] == "a=1; b=2"


def test_over_a_unix_socket_there_is_a_name_and_no_address(run: Run) -> None:
    async def scenario() -> None:
        def app(environ: Environ, start: Start) -> list[bytes]:
            told = {key: environ.get(key) for key in ("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR")}
            start("200 OK", [])
            return [repr([*told.values(), "REMOTE_PORT" in environ]).encode()]

        async with rig(app, "wsgi") as made:
            body = (await (await made.connect()).get()).body
            assert body == b"['localhost', '80', '', False]"

    run(scenario())
