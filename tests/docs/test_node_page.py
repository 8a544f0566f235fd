"""The page for who comes from Node: its tables name what is there, in Node and here."""

import inspect
import json
import re
import shutil
import subprocess

import pytest
from tests.docs.pages import HOWTO, code

from prefork import Worker, cluster
from prefork.cluster.scripted import IDLE
from prefork.worker.member import Member
from prefork.worker.script import Whereabouts

PAGE = HOWTO / "from-node-cluster.md"
ROWS = [line.split("|") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
THEIRS = " ".join(cell for row in ROWS for cell in code(row[1]))
OURS = " ".join(cell for row in ROWS for cell in code(row[2]))
UNNAMED = {"isMaster", "setupMaster", "Worker", "constructor"}  # two old names, and the class


def named(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_every_name_of_the_installed_nodes_cluster_has_a_row() -> None:
    asking = "[...Object.keys(c), ...Object.getOwnPropertyNames(c.Worker.prototype)]"
    program = f"const c = require('cluster'); console.log(JSON.stringify({asking}))"
    out = subprocess.run(["node", "-e", program], capture_output=True, check=True).stdout
    names = {name for name in json.loads(out) if name[0] != "_"} - UNNAMED
    assert {"fork", "schedulingPolicy", "isDead"} <= names
    assert names - named(THEIRS) == set()


def test_every_name_of_ours_has_a_row_where_node_has_the_like() -> None:
    like = {"is_primary", "is_worker", "setup_primary", "settings", "policy", "fork", "disconnect"}
    like |= {"workers", "worker", "available_parallelism", "listen"}
    assert like <= {*vars(cluster), *dir(type(cluster))} & named(OURS)


def test_every_attribute_that_it_gives_for_one_exists() -> None:
    attributes = {*dir(Worker(None, 1, 0, 1)), *dir(Member())}
    given = set(re.findall(r"(?:^|worker| )\.(\w+)", OURS))
    assert len(given) > 12
    assert given <= attributes


def test_its_table_of_settings_has_those_that_a_script_refuses() -> None:
    _, _, rest = PAGE.read_text().partition("| setting | in a script |\n|---|---|\n")
    rows = rest.partition("\n\n")[0].splitlines()
    told = {name for row in rows for name in code(row.split("|")[1])}
    assert told == IDLE.keys() - {"host", "port"}  # which are no settings


def test_what_a_server_is_told_it_takes() -> None:
    told = " ".join(re.findall(r"listen\(f, (.*?)\)", OURS))
    assert set(re.findall(r"(\w+)=", told)) == inspect.get_annotations(Whereabouts).keys()
