"""CITATION.cff, the entry on the page of findings, the package's version and the change log say the same."""

from __future__ import annotations

import re
import tomllib

from .documented import ROOT

CITED = dict(re.findall(r'^([a-z-]+): "?([^"\n]+)"?$', (ROOT / "CITATION.cff").read_text(), re.MULTILINE))
PACKAGE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENTRY = dict(
    re.findall(
        r"^  (\w+) +=\s+\{*(.*?)\}*,?$",
        (ROOT / "docs/findings.md").read_text().split("@software{archsieve,")[1].split("```")[0],
        re.MULTILINE,
    )
)


def test_the_file_has_what_its_format_requires():
    assert CITED["cff-version"] == "1.2.0"
    assert {"message", "title", "version", "date-released", "license", "type"} <= CITED.keys()


def test_the_version_and_licence_are_those_of_the_package():
    assert (CITED["version"], CITED["license"]) == (PACKAGE["version"], PACKAGE["license"])
    assert f"## [{CITED['version']}] - {CITED['date-released']}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_the_entry_on_the_page_agrees():
    year, month, _ = CITED["date-released"].split("-")
    months = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
    assert {
        "author": PACKAGE["authors"][0]["name"],
        "title": CITED["title"],
        "version": CITED["version"],
        "year": year,
        "month": months[int(month) - 1],
        "license": CITED["license"],
    } == ENTRY
    assert f"  - name: {ENTRY['author']}\n" in (ROOT / "CITATION.cff").read_text()
