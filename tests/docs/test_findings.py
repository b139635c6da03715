"""The numbers of the tables in docs/findings.md are those of the rows, on other pages, that they repeat."""

from __future__ import annotations

import re

import pytest

from .documented import ROOT

DOCS = ROOT / "docs"
LINES = (DOCS / "findings.md").read_text(encoding="utf-8").splitlines()
NUMBER = re.compile(r"(?<![\w.,])[+-]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d*\.?\d+)(?!\w)")
TEST, VALIDATION = "## NAS-Bench-201: 3,295", "## NAS-Bench-201, judged by validation accuracy"
REPEATED = [
    *(
        (f"| {searcher} |", ("mkr_study.md", "", f"| {searcher} |"))
        for searcher in ("differential evolution", "regularized evolution", "random search")
    ),
    *(
        (
            f"| {shown}",
            ("newest_proxies.md", "", f"| {row} |"),
            *[("vision_transformers.md", "<!-- ranking", f"| {row.replace('*', '')} |")] * (row != "`meco`"),
        )
        for shown, row in (
            ("`vkdnw_agg`", "**`vkdnw_agg`**"),
            ("`meco`", "`meco`"),
            ("`nwot`", "`nwot`"),
            ("`lswag`", "**`lswag`**"),
            ("`wrcor`", "**`wrcor`**"),
            ("`vkdnw`", "**`vkdnw`**"),
            ("multiply-adds", "`macs`"),
        )
    ),
    (
        "| NAS-Bench-201 | pipeline A |",
        ("pipelines_nasbench201.md", "", "- A"),
        ("pipelines_nasbench201.md", "", "| A |"),
    ),
    ("| | pipeline B |", ("pipelines_nasbench201.md", "", "| B |")),
    ("| | pipeline C |", ("pipelines_nasbench201.md", "", "| C |")),
    ("| | 12 epochs for every network |", ("pipelines_nasbench201.md", "", "| 12 epochs alone |")),
    ("| | random search, 200", ("pipelines_nasbench201.md", "", "| random search, 200 trainings |")),
    ("| 729 networks on digits | pipeline A |", ("pipelines_digits.md", "", "| A |")),
    *(
        (shown, *(("searchers_study.md", section, f"| {way} |") for way in ways))
        for shown, section, ways in (
            ("| NAS-Bench-Macro | 1,5", "## NAS-Bench-Macro", ("guided", "regularized evolution", "mean rank")),
            ("| NAS-Bench-201, test", TEST, ("guided", "regularized evolution", "mean rank")),
            ("| NAS-Bench-201, validation", VALIDATION, ("guided", "regularized evolution")),
            ("| NAS-Bench-201, with 80", TEST, ("guided, 80 short trainings", "mean rank, 80 short trainings")),
            ("| 729 networks on digits | 8", "## Digits", ("guided", "regularized evolution")),
        )
    ),
    ("| NAS-Bench-Macro (a chain", ("supernets.md", "", "| nasbench-macro | uniform | 15 | 5,000 | all |")),
    ("| NAS-Bench-Macro | 1,000", ("supernets.md", "", "| nasbench-macro | uniform | 15 | 1,000 | all |")),
    ("| NAS-Bench-201 (a cell", ("supernets.md", "", "| nasbench201 | uniform | 15 | 256 | all |")),
    ("| NAS-Bench-201, best half", ("supernets.md", "", "| nasbench201 | uniform | 15 | 256, best 50% 1,000 | all |")),
    ("  network in 90 %", ("searchers.md", "", "| fitted vote |"), ("searchers.md", "", "| equal weights |")),
]
"""Starts of lines, each with the rows that it repeats: page, heading before the row, start of the row."""


def values(text):
    """Return the numbers of a text, as written without marks for thousands."""
    return [number.replace(",", "").lstrip("+") for number in NUMBER.findall(text)]


def row_of(page, heading, start):
    """Return all lines of a page, after a heading, that start so."""
    text = (DOCS / page).read_text(encoding="utf-8")
    assert heading in text, f"{page} has no {heading}"
    lines = text[text.index(heading) :].splitlines()
    found = [line for line in lines if line.startswith(start)]
    assert found, f"{page} has no row {start}"
    return " ".join(found) if start.startswith("- ") else found[0]


def is_rounded(number, other):
    """Whether a number is another, rounded to the digits that it has."""
    places = len(number.partition(".")[2])
    return abs(float(number) - float(other)) <= 0.5 * 10**-places + 1e-9


@pytest.mark.parametrize(
    ("start", "rows"), [(start, rows) for start, *rows in REPEATED], ids=lambda part: str(part)[:40]
)
def test_a_row_repeats_its_sources(start, rows):
    """Its numbers are in the rows that it repeats, in the same order."""
    lines = [line for line in LINES if line.startswith(start)]
    assert len(lines) == 1
    text = re.sub(r"\]\([^)]*\)|not within [\d,]+", "", lines[0])
    told = values(" | ".join(text.split("|")[2:])) if text.startswith("| ") else re.findall(r"(\d+) %", text)
    sources = iter(values(" ".join(row_of(*row) for row in rows)))
    assert told
    assert [number for number in told if not any(is_rounded(number, other) for other in sources)] == []


STUDY = "searchers_study.md"
PROSE = [
    (
        "compared.md",
        r"TPE \(three seeds\) reached an optimum of NAS-Bench-201 at a median of ([\d,]+)",
        STUDY,
        TEST,
        "Optuna TPE",
    ),
    ("compared.md", r"regularized evolution \(30 seeds\) at ([\d,]+)", STUDY, TEST, "regularized evolution"),
    ("compared.md", r"`guided` searcher \(30 seeds\) at ([\d,]+)", STUDY, TEST, "guided"),
    ("compared.md", r"`guided` needed ([\d,]+)", STUDY, "## NAS-Bench-Macro", "guided"),
    ("compared.md", r"evolution ([\d,]+), and TPE", STUDY, "## NAS-Bench-Macro", "regularized evolution"),
    (
        "newest_proxies.md",
        r"and (\.\d+) with all on NAS-Bench-201",
        "proxy_quality.md",
        "## NAS-Bench-201, CIFAR-10",
        "`meco`",
    ),
    (
        "newest_proxies.md",
        r"and \.\d+ and (\.\d+) on NAS-Bench-Macro",
        "proxy_quality.md",
        "## NAS-Bench-Macro",
        "`meco`",
    ),
]
"""Sentences of other pages, each with the row whose first figure after the seeds, or first of all, it repeats."""


@pytest.mark.parametrize(("page", "sentence", "source", "heading", "row"), PROSE, ids=lambda part: str(part)[:40])
def test_a_sentence_repeats_its_source(page, sentence, source, heading, row):
    text = " ".join((DOCS / page).read_text(encoding="utf-8").split())
    (told,) = values(" ".join(re.findall(sentence, text)))
    cells = row_of(source, heading, f"| {row} |").split("|")[2:]
    assert is_rounded(told, values(cells[source == STUDY])[0])
