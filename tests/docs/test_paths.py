"""Paths of this repository that pages, docstrings and comments name exist."""

from __future__ import annotations

import re

import pytest

from .documented import ROOT

PATH = re.compile(
    r"(?<![\w/.{}-])(?:docs|tests|src|studies|examples|perf)/[\w./-]*\w\.(?:md|py|toml|jsonl?|npz|png|csv|sh)\b"
)
FOLDERS = {"pages": "docs", "studies": "studies", "examples": "examples", "package": "src"}
PLACEHOLDERS = {"studies/NAME.py"}


def missing(text):
    """The paths in a text that do not exist."""
    return sorted({path for path in PATH.findall(text) if not (ROOT / path).exists()} - PLACEHOLDERS)


def test_a_missing_path_is_found():
    assert missing("see `docs/nothing.md`, docs/index.md and runs/docs/other.md") == ["docs/nothing.md"]


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS.keys())
def test_paths_in_a_folder_exist(folder):
    files = [p for p in (ROOT / folder).rglob("*") if p.suffix in (".md", ".py", ".toml") and "_build" not in p.parts]
    assert files
    assert {str(p.relative_to(ROOT)): paths for p in files if (paths := missing(p.read_text(encoding="utf-8")))} == {}


def test_paths_at_the_top_and_in_fixtures_exist():
    files = [*ROOT.glob("*.md"), *(ROOT / "tests").rglob("conftest.py")]
    assert {str(p.relative_to(ROOT)): paths for p in files if (paths := missing(p.read_text(encoding="utf-8")))} == {}
