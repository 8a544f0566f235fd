"""Proof that what `make dist` built is whole, and serves from a clean environment.

    python -m tests.dist DIRECTORY

It knows nothing of the checkout but what each archive must hold: what it runs is installed.
"""

import http.client
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
HELLO = ROOT / "examples" / "hello.py"
PATIENCE = 30.0  # seconds for a start, an answer, an end
# What `make` and its targets need beside the package itself.
FOLDERS = ("src", "tests", "examples", "docs", "benchmarks")
FILES = ("Makefile", "pyproject.toml", "mkdocs.yml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md")
UNWANTED = ("__pycache__", ".peers")


def main(arguments: list[str]) -> int:
    """Prove the wheel and the sdist in a directory, of which it holds one each."""
    [directory] = arguments
    [wheel] = Path(directory).glob("*.whl")
    [sdist] = Path(directory).glob("*.tar.gz")
    inspect_wheel(wheel)
    inspect_sdist(sdist)
    for archive in (wheel, sdist):
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            version = prove(archive.resolve(), Path(folder))
        print(f"{archive.name}: {version} serves, proven in {time.monotonic() - begun:.1f} s")
    return 0


def inspect_wheel(wheel: Path) -> None:
    """Of the package it has every file, and nothing else but its own papers."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    agree(wheel, names, wanted(ROOT / "src") | {"prefork/py.typed"})


def inspect_sdist(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    for folder in FOLDERS:
        names = {name for name in inside if name.startswith(f"{folder}/")}
        agree(sdist, names, {f"{folder}/{name}" for name in wanted(ROOT / folder)})
    agree(sdist, inside & set(FILES), set(FILES))


def wanted(folder: Path) -> set[str]:
    """The files below a folder of the checkout."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if not set(path.parts) & set(UNWANTED)}


def agree(archive: Path, inside: set[str], expected: set[str]) -> None:
    assert not (lacking := expected - inside), f"{archive.name} lacks {sorted(lacking)}"
    assert not (more := inside - expected), f"{archive.name} should not hold {sorted(more)}"


def prove(archive: Path, folder: Path) -> str:
    """Install it below *folder*, serve with it from there; return what it says it is."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    programs = folder / "venv" / "bin"
    python = str(programs / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, str(archive)], cwd=folder, check=True)
    shutil.copy(HELLO, folder)
    prefork = str(programs / "prefork")
    version = output(prefork, "--version", folder=folder)
    assert archive.name.startswith("-".join(version.split()[:2])), version
    where = "import prefork; print(prefork.__file__)"
    assert output(python, "-c", where, folder=folder).startswith(str(folder))
    serve(prefork, folder)
    return " ".join(version.split()[:2])


def output(*command: str, folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, env=plain(folder), check=True, capture_output=True, text=True
    )
    return done.stdout


def plain(folder: Path) -> dict[str, str]:
    """An environment in which nothing leads back to the checkout, or to another instance."""
    return {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(folder)}


def serve(prefork: str, folder: Path) -> None:
    """Serve hello.py with two workers, have a request answered, and stop in time."""
    reading, writing = os.pipe()
    command = [prefork, "serve", "hello:handler", "--bind", "127.0.0.1:0", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--ready-fd", str(writing)], cwd=folder, env=plain(folder), pass_fds=(writing,)
    )
    os.close(writing)
    try:
        answer = ask(port_of(reading))
        assert answer.endswith(b"you asked for /proof\n"), answer
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        os.close(reading)
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


def port_of(ready: int) -> int:
    """The port that the ready line announces."""
    assert select.select([ready], [], [], PATIENCE)[0], f"not ready in {PATIENCE:g} s"
    line = os.read(ready, 65536)
    assert line, "it ended instead of serving"
    return int(json.loads(line)["bind"][0].rpartition(":")[2])


def ask(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/proof")
        response = connection.getresponse()
        assert response.status == http.HTTPStatus.OK, response.status
        return response.read()
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
