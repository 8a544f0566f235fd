"""What the tutorial and the README show exists: programs are served, commands are understood."""

import importlib
import json
import re
import shlex
from pathlib import Path

import click
import pytest
from tests.process.conftest import Serve
from tests.support.asking import ask
from tests.support.program import ROOT

from prefork.cli.main import COMMANDS

TUTORIAL = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]


def commands() -> list[str]:
    lines = [
        line.partition("#")[0].strip()
        for page in (TUTORIAL, ROOT / "README.md", ROOT / "examples" / "README.md")
        for text in blocks(page, "")
        for line in text.splitlines()
    ]
    return sorted(
        {line for line in lines if line.startswith(tuple(f"prefork {c}" for c in COMMANDS))}
    )


def test_the_tutorials_programs_are_served(serve: Serve, tmp_path: Path) -> None:
    handler, framework = blocks(TUTORIAL, "python")
    (tmp_path / "shop.py").write_text(handler)
    (tmp_path / "api.py").write_text(framework)
    shop = serve("--app-dir", str(tmp_path), app="shop:handler")
    assert json.loads(ask(shop.port, "/tea").body)["path"] == "/tea"
    api = serve("--app-dir", str(tmp_path), app="api:app")
    assert ask(api.port, "/pid").pid in api.workers(1)


@pytest.mark.parametrize("line", commands())
def test_every_command_that_the_pages_show_is_understood(line: str) -> None:
    _, name, *arguments = shlex.split(line.replace("[NAME]", "NAME"))
    command: click.Command = importlib.import_module(COMMANDS[name]).command
    command.make_context(name, arguments)  # raises where a word of it is unknown
