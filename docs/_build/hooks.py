"""What the site has beside the pages in `docs/`: pages made from the code, and files of the repository that pages link."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))

from reference import PAGES  # noqa: E402 - the folder above is on the path now

LINK = re.compile(r"\]\((?:\.\./)+((?!\.)[^)#\s]+)(#[^)\s]*)?\)")
"""A link of a page out of `docs/`."""
COPIED = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
"""Pages that are files of the repository's root."""
CONCLUSION = re.compile(r"^\| \[[^\]]+\]\((\w+\.md)\) \| (.+) \|$", re.MULTILINE)
"""A row of the page of all results: a page, and what came out."""
CELL = re.compile(r"<td[^>]*>.*?</td>", re.DOTALL)
INTERVAL = re.compile(r"\[[+-]?[\d.,]*\d, (?:[+-]?[\d.,]*\d|-)\]")
"""An interval of two figures; the second one may be unknown."""
OPTIONAL = {"own_models.md", "own_data.md", "audit.md", "searchers_study.md", "trust.md", "cards.md"}
"""Pages that the navigation names and that need not be there."""


def on_config(config: Any) -> Any:
    """Leave optional pages that are not there out of the navigation."""
    config.nav = [_present(entry) for entry in config.nav]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages made from the code, those copied from the root, and the files that pages link."""
    texts = {page: make() for page, make in PAGES.items()}
    texts |= {page: _from_root((ROOT / name).read_text(encoding="utf-8")) for page, name in COPIED.items()}
    linked: set[str] = set()
    for page in sorted((ROOT / "docs").glob("*.md")):
        linked |= {match[1] for match in LINK.finditer(page.read_text(encoding="utf-8"))}
    texts |= {page_of(name): source_page(name) for name in sorted(linked)}
    for path, text in texts.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links out of `docs/` lead to the copies in the site."""
    if "/" in page.file.src_uri:
        return markdown
    markdown = re.sub(r"\[([^\]]+)\]\(([\w]+\.md)(?:#[^)]*)?\)", _unless_missing, markdown)
    markdown = LINK.sub(lambda match: f"]({page_of(match[1])}{match[2] or ''})", markdown)
    if sentence := conclusions().get(page.file.src_uri):
        heading, _, rest = markdown.partition("\n")
        return f'{heading}\n\n!!! abstract "In one sentence"\n    {sentence}\n{rest}'
    return markdown


def on_page_content(html: str, **_: Any) -> str:
    """Keep each interval in a cell of a table, such as [0.70, 0.74], on one line, and show `|` in code as it is.

    A cell writes it as `\\|`, which the builder of the site leaves so within code.
    """

    def changed(cell: re.Match[str]) -> str:
        return INTERVAL.sub(r'<span class="interval">\g<0></span>', cell[0]).replace(r"\|", "|")

    return CELL.sub(changed, html)


def _unless_missing(match: re.Match[str]) -> str:
    """Return a link, or its text alone where it leads to an optional page that is not there."""
    return match[1] if match[2] in OPTIONAL and not (ROOT / "docs" / match[2]).is_file() else match[0]


def conclusions() -> dict[str, str]:
    """Return the sentence of each page of results, from the page of all results."""
    return dict(CONCLUSION.findall((ROOT / "docs" / "results.md").read_text(encoding="utf-8")))


def page_of(name: str) -> str:
    """Return the page of a file of the repository."""
    return f"files/{name.rstrip('/')}.md"


def source_page(name: str) -> str:
    """Return a file of the repository as a page."""
    path = ROOT / name
    text = path.read_text(encoding="utf-8")
    head = f"---\nsearch:\n  exclude: true\n---\n# {name}\n\n"
    if path.suffix == ".md":
        return head + re.sub(r"\]\((?!https?:)[^)]*\)", "]", re.sub(r"^# .*\n", "", text))
    language = {".py": "python", ".toml": "toml"}.get(path.suffix, "text")
    return f"{head}```{language}\n{text}```\n"


def _from_root(text: str) -> str:
    """Return a text of the root with its links into `docs/` made links beside it."""
    return text.replace("](docs/", "](").replace("](README.md)", "](index.md)")


def _present(entry: Any) -> Any:
    if isinstance(entry, dict):
        return {title: _present(value) for title, value in entry.items()}
    if isinstance(entry, list):
        return [_present(each) for each in entry if not _is_missing(each)]
    return entry


def _is_missing(entry: Any) -> bool:
    names = entry.values() if isinstance(entry, dict) else [entry]
    return any(name in OPTIONAL and not (ROOT / "docs" / name).is_file() for name in names if isinstance(name, str))
