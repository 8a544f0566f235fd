"""The tables of docs/reference/http.md, made from the cases of the conformance tests.

`python -m tests.docs.refusals` writes them; a test holds the page against them.
"""

import re
from pathlib import Path

from tests.http.corpus import Rule
from tests.http.refused import RULES
from tests.http.served import TOLERANCE
from tests.support.program import ROOT

PAGE = ROOT / "docs" / "reference" / "http.md"
_RFC = re.compile(r"RFC (\d+), ([\d.]+)(?: and ([\d.]+))?")


def tables() -> dict[str, str]:
    """The tables by name."""
    refused = ["| status | what | where that is said | examples |", "|---|---|---|---|"]
    refused += [
        f"| {rule.status} | {_sentence(rule.says)} | {_linked(rule.rfc)} | {len(rule.examples)} |"
        for rule in sorted(RULES, key=_by_status)
    ]
    tolerated = ["| what | where that is said |", "|---|---|"]
    tolerated += [f"| {_sentence(rule.says)} | {_linked(rule.rfc)} |" for rule in TOLERANCE]
    return {"refused": "\n".join(refused), "tolerated": "\n".join(tolerated)}


def filled(page: str) -> str:
    """The page with its tables as they are to be."""
    for name, table in tables().items():
        before, mark, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        page = f"{before}{mark}\n{table}\n\n{end}{after}"
    return page


def _by_status(rule: Rule) -> int:
    return rule.status


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _linked(rfc: str) -> str:
    """Each section as a link."""

    def link(found: re.Match[str]) -> str:
        number, *sections = found.groups()
        url = f"https://www.rfc-editor.org/rfc/rfc{number}#section-"
        links = [f"[{each}]({url}{each})" for each in sections if each]
        return f"RFC {number}, {' and '.join(links)}"

    return _RFC.sub(link, rfc)


def write(page: Path) -> None:
    page.write_text(filled(page.read_text()))


if __name__ == "__main__":
    write(PAGE)
