"""The site is built strictly, needs nothing from the network, and its examples are right."""

from __future__ import annotations

import doctest
import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

import archsieve
from archsieve.cli import COMMANDS

from .documented import PAGES, ROOT, blocks, reference

EXAMPLES = [page for page in PAGES if any(">>> " in block.text for block in blocks(page))]


class Assets(HTMLParser):
    """What a page loads by itself: scripts, styles, pictures, frames; no links that a reader follows."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag == "link" and named.get("rel") not in ("canonical", "prev", "next"):
            self.found.append(named.get("href", ""))
        elif tag != "a":
            self.found += [named[name] or "" for name in ("src", "srcset", "data", "poster") if name in named]


def foreign(text, is_style=False):
    """The assets of a page or style sheet that come from the network."""
    urls = re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')\s;]+)", text) + ([] if is_style else Assets(text).found)
    return [url for url in urls if re.match(r"(https?:)?//", url)]


def test_a_foreign_asset_is_found():
    assert foreign('<script src="https://x/y.js"></script><link rel="stylesheet" href="//x/y.css"><a href="https://x">')
    assert foreign("@import 'https://x/y.css';", is_style=True)
    assert not foreign('<a href="https://x/">x</a><link rel="canonical" href="https://x/"><img src="a/b.svg">')


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not installed: pip install 'archsieve[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = (sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder))
    paths = os.pathsep.join([str(ROOT / "src"), *sys.path])
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": paths}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_the_site_loads_nothing_from_the_network(site):
    pages, styles = list(site.rglob("*.html")), list(site.rglob("*.css"))
    assert len(pages) > len(PAGES) - 2
    assert {page.name: foreign(page.read_text(encoding="utf-8")) for page in pages} == {p.name: [] for p in pages}
    assert {style.name: foreign(style.read_text(encoding="utf-8"), is_style=True) for style in styles} == {
        style.name: [] for style in styles
    }


def test_intervals_in_tables_stay_on_one_line(site):
    page = (site / "searchers_study.html").read_text(encoding="utf-8")
    for interval in ("[1,204, 1,704]", "[18,000, -]", "[0.00, 0.00]"):
        assert f'<span class="interval">{interval}</span>' in page
    assert "[-0.37, -0.29]</span>" in (site / "newest_proxies.html").read_text(encoding="utf-8")
    assert ">[+.10, +.75]</span>" in (site / "mkr_study.html").read_text(encoding="utf-8")


def test_a_bar_in_a_table_is_shown_without_a_backslash(site):
    cells = [c for page in site.rglob("*.html") for c in re.findall("<td.*?</td>", page.read_text("utf-8"), re.DOTALL)]
    assert any("int | tuple[int, ...]" in cell for cell in cells)
    assert [cell for cell in cells if r"\|" in cell] == []


def test_the_site_has_every_public_name(site):
    page = (site / "reference" / "python.html").read_text(encoding="utf-8")
    homes = archsieve._HOMES
    names = [name for name in homes if homes[name] != "registry"]
    assert [name for name in names if f'id="archsieve.{homes[name]}.{name}"' not in page] == []


def test_the_reference_has_every_command_key_and_error():
    made = {path: make() for path, make in reference().PAGES.items()}
    from archsieve import errors
    from archsieve.plans.read import _PLAN_KEYS, _STAGE_KEYS

    assert all(f"## archsieve {name}\n" in made["reference/commands.md"] for name in COMMANDS)
    assert all(
        f"| `{key}` |" in made["reference/plan_file.md"] or f"[{key}]" in made["reference/plan_file.md"]
        for key in (*_PLAN_KEYS, *_STAGE_KEYS)
    )
    assert all(f"| `{name}` |" in made["reference/errors.md"] for name in vars(errors) if name.endswith("Error"))


def test_every_setting_of_a_plan_has_a_meaning():
    page = reference().plan_file()
    assert re.findall(r"^\| `(\w+)` \|.*\|  \|$", page, re.MULTILINE) == []


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.name)
def test_examples_of_python_are_right(page):
    assert doctest.testfile(str(page), module_relative=False, encoding="utf-8").failed == 0
