"""A reader of a page, who types its commands, writes its files, and compares its output."""

import importlib
import json
import re
import shlex
import socket
from pathlib import Path

import click
from tests.docs.likeness import is_like
from tests.docs.steps import Block, Edit, Interrupt, Step
from tests.docs.terminal import Foreground, Place
from tests.support.program import ROOT

from prefork.cli.main import COMMANDS, program
from prefork.settings.address import parse

WRITE = re.compile(r"[Ww]rite `([^`]+)`:$")
ADD = re.compile(r"[Aa]dd .* to `([^`]+)`:$")
EXITS = re.compile(r"exits with (\d+)")
FIRST_TERMINAL = "the first terminal"
RUNS = re.compile(r"^Exec\w+=(.*)$|^CMD (\[.*\])$", re.MULTILINE)
PASSES = re.compile(r"proxy_pass http://unix:(\S+);")
# Not typed: they would change the environment that the tests run in. CI installs by `make setup`,
# and by `make dist` into a fresh environment.
INSTALLING = ("python3 -m venv ", ". .venv/bin/activate", "pip install ")


class Reader:
    """Follows a page in a folder of its own, on a port of its own: 8000 stands for that."""

    def __init__(self, folder: Path) -> None:
        home = folder / "run"
        home.mkdir(mode=0o700)
        self._place = Place(folder, home)
        self._port = free_port()
        self._program: Foreground | None = None
        self._said: list[str] | None = None  # by commands, and not yet compared

    def follow(self, step: Step) -> None:
        """Do what *step* says. Raises AssertionError where it doesn't come true."""
        match step:
            case Edit():
                self._edit(step)
            case Interrupt():
                self._interrupt()
            case Block(language="sh"):
                self._type(step)
            case Block(language="text"):
                self._compare(step)
            case Block(language="python" | "toml"):
                self._write(step)
            case Block(language="ini" | "dockerfile"):
                understood(step)
            case Block(language="nginx"):
                self._understood_by_nginx(step)
            case Block():
                raise AssertionError(f"no rule for a block of {step.language or 'no language'}")

    def close(self) -> None:
        """End what runs."""
        if self._program:
            self._program.close()
            self._program = None

    def finish(self) -> None:
        """Ctrl-C what still runs when the page is over."""
        self._interrupt()

    # -- commands --------------------------------------------------------------

    def _type(self, block: Block) -> None:
        self._said = []
        expected = EXITS.search(block.lead)
        code = int(expected[1]) if expected else 0
        for line in block.commands:
            self._type_line(line.replace("8000", str(self._port)), code)

    def _type_line(self, line: str, code: int) -> None:
        if line.startswith("cd "):
            self._place = Place(self._place.folder / line[3:], self._place.home)
        elif line == "make run":
            self._make_run()
        elif line.startswith("make "):
            self._run(f"make -C {ROOT} --dry-run {line[5:]}", 0)  # CI runs `make test` itself
        elif line.startswith("prefork serve"):
            bound = "" if "--bind" in line else f" --bind 127.0.0.1:{self._port}"
            self._serve(line + bound, self._place)
        elif "PID" in line.split():
            self._kill(line)
        elif not line.startswith(INSTALLING):
            self._run(line, code)

    def _run(self, line: str, code: int) -> None:
        said = self._place.run(line)
        assert said.code == code, f"{line}: {said}"
        self._said = [*(self._said or []), *said.lines]
        if line.startswith("prefork stop") and self._program:
            assert self._program.code() == 0
            self.close()

    def _serve(self, line: str, place: Place) -> None:
        self._interrupt()
        self._said = None
        self._program = Foreground(line, place)
        self._program.wait_started()

    def _make_run(self) -> None:
        """Run what make would, on a port that is free; its environment is there."""
        recipe = self._place.run(f"make -C {ROOT} --dry-run run").lines
        [line] = [each for each in recipe if "prefork serve" in each]
        self._serve(line.replace("8000", str(self._port)), Place(ROOT, self._place.home))
        self._run(f"curl --fail http://127.0.0.1:{self._port}/", 0)
        self._interrupt()

    def _kill(self, line: str) -> None:
        """Run *line* with a worker's pid for PID; wait until another worker is in its place."""
        assert self._program
        ready = self._program.journal.text.count(" worker_ready ")
        pid = self._proven()
        assert self._place.run(line.replace("PID", str(pid))).code == 0
        self._program.journal.wait_for_line(" worker_ready ", count=ready + 1)

    def _proven(self) -> int:
        """Return the pid of a worker that has lived for longer than --min-uptime.

        One that dies sooner is not replaced at once; whoever types takes longer than that.
        """
        for _ in range(100):
            stats = json.loads("\n".join(self._place.run("prefork stats --json").lines))
            if stats["workers"][-1]["uptime"] > 1.1:
                return int(stats["workers"][-1]["pid"])
        raise AssertionError("no worker grows old")

    def _interrupt(self) -> None:
        if self._program:
            assert self._program.interrupt() == 0
            self.close()

    # -- files and output -------------------------------------------------------

    def _write(self, block: Block) -> None:
        written, added = WRITE.search(block.lead), ADD.search(block.lead)
        named = written or added
        assert named, f"which file is it? {block.lead!r}"
        file = self._place.folder / named[1]
        before = file.read_text() if added else ""
        file.write_text(before + block.text.replace("8000", str(self._port)))

    def _edit(self, edit: Edit) -> None:
        file = self._place.folder / edit.file
        text = file.read_text()
        assert text.count(edit.old) == 1, f"{edit} in:\n{text}"
        file.write_text(text.replace(edit.old, edit.new))
        self._said = None

    def _compare(self, block: Block) -> None:
        if self._said is None or FIRST_TERMINAL in block.lead:
            assert self._program, "nothing runs that could have said this"
            self._program.wait_shown(block.text)
        else:
            assert is_like(block.text, self._said), "it said:\n" + "\n".join(self._said)

    def _understood_by_nginx(self, block: Block) -> None:
        """It passes requests on to a socket that the program on this page has bound."""
        paths = [Path(path) for path in PASSES.findall(block.text)]
        assert paths
        for path in paths:
            parse(f"unix:{path}")
            assert (self._place.folder / path.name).is_socket()


def understood(block: Block) -> None:
    """Have the real command line read every command of a unit or a Dockerfile."""
    found = RUNS.findall(block.text)
    assert found, "it has no command"
    for line, listed in found:
        read_by_cli(shlex.split(line) if line else json.loads(listed))


def read_by_cli(words: list[str]) -> None:
    """Raise where a word of `…/prefork COMMAND …` is unknown."""
    path, name, *arguments = words
    assert Path(path).name == "prefork"
    understand(name, arguments)


def understand(name: str, words: list[str]) -> click.Context:
    """Read the words of `prefork NAME` as the program does; raise where one is unknown.

    Without its parent a command would keep a help option for good that knows no `-h`.
    """
    command: click.Command = importlib.import_module(COMMANDS[name]).command
    above = click.Context(program, **program.context_settings)
    return command.make_context(name, words, parent=above)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
