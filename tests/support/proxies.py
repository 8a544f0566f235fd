"""A real nginx or HAProxy before an instance; it listens on a socket that is made for it."""

import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

NGINX = """
daemon off;
user root;
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {place};
    proxy_temp_path {place};
    fastcgi_temp_path {place};
    uwsgi_temp_path {place};
    scgi_temp_path {place};
    upstream shop {{
        server {upstream};
        keepalive 1;
    }}
    server {{
        listen {listen};
        location / {{
            proxy_pass http://shop;
            proxy_http_version 1.1;
            {lines}
        }}
    }}
}}
"""
HAPROXY = """
global
    maxconn 1000  # which bounds the number of the descriptor that it listens on, too
listen shop
    timeout connect 5s
    timeout client 20s
    timeout server 20s
    bind fd@{descriptor}
    mode {mode}
    server one {upstream} {options}
"""
needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
needs_haproxy = pytest.mark.skipif(
    shutil.which("haproxy") is None, reason="haproxy is not installed"
)


@contextmanager
def nginx(upstream: str, place: Path, *lines: str) -> Iterator[int]:
    """Run nginx before *upstream*, with *lines* in its location; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listen = f"127.0.0.1:{port}"
        conf = place / "nginx.conf"
        text = NGINX.format(place=place, upstream=upstream, listen=listen, lines="\n".join(lines))
        conf.write_text(text)
        command = ["nginx", "-p", str(place), "-c", str(conf), "-e", str(place / "error.log")]
        with _running(command, listener, {"NGINX": f"{listener.fileno()};"}):
            yield port


@contextmanager
def haproxy(upstream: str, place: Path, *, mode: str = "tcp", options: str = "") -> Iterator[int]:
    """Run HAProxy before *upstream*, whose server line has *options*; gives its port."""
    upstream = upstream.replace("unix:", "unix@")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        conf = place / "haproxy.cfg"
        descriptor = listener.fileno()
        conf.write_text(
            HAPROXY.format(mode=mode, descriptor=descriptor, upstream=upstream, options=options)
        )
        with _running(["haproxy", "-db", "-f", str(conf)], listener, {}):
            yield int(listener.getsockname()[1])


@contextmanager
def _running(
    command: Sequence[str], listener: socket.socket, variables: dict[str, str]
) -> Iterator[None]:
    added = [f"{name}={value}" for name, value in variables.items()]
    process = subprocess.Popen(
        ["env", *added, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(listener.fileno(),),
    )
    try:
        yield
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=10)
        print(f"--- {command[0]} said:\n{said.decode()}")  # pytest shows it on failure
