"""Verifies cards, and writes into docs/cards.md which figures have one, and what came of verifying each.

    python studies/cards_page.py --verify              # all that was not verified yet; --verify NAME ... for some anew
    python studies/cards_page.py                       # writes the tables

What was verified is in studies/verified.jsonl, a line for each time; the table has the last of each card. It can be
stopped and started again. Cards of pages run scripts of this checkout.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from marks import DOCS, write_between

from archsieve.verifying.cards import card_paths, read_card
from archsieve.verifying.verify import verify

OUTCOMES = Path(__file__).with_name("verified.jsonl")
PARTS = {
    "digits": 0.0005,
    "nasbench-macro-digits": 0.01,
    "nasbench-macro-cifar10": 0.001,
    "nasbench-macro-cifar10-grasp": 0.005,
    "nasbench-macro-cifar10-sample": 0.003,
    "nasbench-macro-cifar10-features-seed1": 0.005,
    "nasbench-macro-cifar10-features-seed2": 0.005,
    "nasbench-macro-cifar10-meco8": 0.01,
    "nasbench-macro-cifar10-newest": 0.006,
    "nasbench-macro-cifar10-newest-seed1": 0.02,
    "nasbench-macro-cifar10-seed1": 0.005,
    "nasbench-macro-cifar10-seed2": 0.005,
    "nasbench201-cifar10": 0.0005,
    "nasbench201-cifar10-grasp": 0.001,
    "nasbench201-cifar10-sample": 0.002,
    "nasbench201-cifar10-features-seed1": 0.005,
    "nasbench201-cifar10-features-seed2": 0.005,
    "nasbench201-cifar10-meco8": 0.005,
    "nasbench201-cifar10-newest": 0.006,
    "nasbench201-cifar10-newest-seed1": 0.02,
    "nasbench201-cifar10-seed1": 0.005,
    "nasbench201-cifar10-seed2": 0.005,
}
"""Shares of tables whose networks are many: a twentieth would take hours."""
NOT_YET: dict[str, str] = {}
"""Cards without an outcome, and why."""
HOURS = "its script takes hours, and processor and versions were not noted when it ran"
TIMES = "times, which no two runs share"
WITHOUT = {
    "index.md": "its figures are those of searchers_study, real_training and own_models_study",
    "README.md": "its three numbers are those of searchers_study, own_models_study (a time) and trust",
    "attentivenas.md": HOURS,
    "audit.md": "1,200 simulated searches, which take hours; processor and versions were not noted when they ran",
    "designer.md": HOURS,
    "device.md": "made on an accelerator; times",
    "findings.md": "repeats figures of other pages",
    "latency.md": "the timings: a card makes the tables from them; the searches of its examples",
    "limits.md": TIMES,
    "mkr_study.md": "of the published readings: not made yet",
    "nasbench301.md": "of the published models: their files are not here",
    "newest_proxies.md": "times",
    "own_models.md": "differences of exported networks, of networks trained for it",
    "own_models_study.md": "the searches, whose budget is a time: the card makes the page from their outcomes",
    "paper.md": "repeats figures of other pages",
    "pipelines.md": "repeats figures of other pages",
    "pipelines_darts.md": HOURS,
    "pipelines_digits.md": HOURS,
    "pipelines_macro.md": "its supernet trains for an hour, and is not in the repository",
    "pipelines_nasbench201.md": HOURS,
    "planning.md": "times; of the table of designed funnels: processor and versions were not noted when its script ran",
    "plans.md": "settings, not figures",
    "proxies.md": "a test checks the table of families",
    "proxies_nasbench301.md": HOURS,
    "proxy_agreement.md": HOURS,
    "real_training.md": "the trainings: the card makes the page from their outcomes",
    "results.md": "repeats figures of other pages",
    "retraining.md": HOURS,
    "run_folder.md": TIMES,
    "searchers_study.md": "searches of hours: the card makes the page from their outcomes",
    "segmentation.md": "the search by proxies and the funnel: processor and versions were not noted when they ran",
    "speed.md": TIMES,
    "supernets.md": HOURS,
    "tour.md": "sizes of spaces, which tests check",
    "trust.md": "counts of `make test-faults`, which counts anew; a test holds the page to the stored ones",
    "vision_transformers.md": "trainings, made on an accelerator, and scores: the card makes the page from both",
}
"""Pages with figures that no card is about, or not about all of them, and why."""


def cards() -> dict[str, dict]:
    """Return the contents of all cards by name."""
    return {name: read_card(path).content for name, path in card_paths().items()}


def covered() -> dict[str, list[str]]:
    """Return the cards of each page, by the name of the page."""
    pages: dict[str, list[str]] = {}
    for name, content in cards().items():
        page = content.get("page") or content.get("documents") or _PAGES_OF_TABLES.get(name)
        if page:
            pages.setdefault(page, []).append(name)
    return pages


_PAGES_OF_TABLES = {"nasbench301-standin": "nasbench301.md", "digits": "score_tables.md"}


def verified() -> dict[str, dict]:
    """Return the last outcome of each card."""
    lines = OUTCOMES.read_text().splitlines() if OUTCOMES.is_file() else []
    return {outcome["card"]: outcome for outcome in map(json.loads, lines)}


def verify_all(names: list[str]) -> None:
    """Verify cards, those without an outcome if none is named, and note what came of each."""
    for name in names or [name for name in card_paths() if name not in verified()]:
        fraction = PARTS.get(name, 0.05)
        found = verify(name, fraction=fraction, runs_scripts=True)
        made = {"fraction": fraction, "sha256": read_card(card_paths()[name]).sha256}
        outcome = {**asdict(found), **made, "day": datetime.now(UTC).date().isoformat()}
        with OUTCOMES.open("a") as stream:
            stream.write(json.dumps(outcome) + "\n")
        print(name, found.compared, "compared,", found.equal, "equal,", found.outside, "outside", flush=True)


def coverage() -> list[str]:
    """Return the rows of the table of pages."""
    pages = covered()
    rows = ["| page | card | no card, because |", "|---|---|---|"]
    for page in sorted({*pages, *WITHOUT}):
        named = ", ".join(f"`{name}`" for name in sorted(pages.get(page, []))) or "-"
        target = f"[{page.removesuffix('.md')}]({page})" if (DOCS / page).is_file() else page.removesuffix(".md")
        rows.append(f"| {target} | {named} | {WITHOUT.get(page, '')} |")
    return rows


def outcomes() -> list[str]:
    """Return the rows of the table of verified cards."""
    rows = ["| card | kind | part | figures computed again | equal to the last bit | outside the tolerance | seconds |"]
    rows.append("|---|---|---|---|---|---|---|")
    contents = cards()
    for name, o in sorted(verified().items()):
        is_part = contents[name].get("kind", "scores") in ("scores", "trainings")
        part = f"{100 * o['fraction']:g} %" if is_part else "all"
        numbers = (f"{o[key]:,}" for key in ("compared", "equal", "outside"))
        rows.append(f"| `{name}` | {o['kind']} | {part} | {' | '.join(numbers)} | {o['seconds']:,.0f} |")
    waiting = [f"| `{name}` | | not verified: {why} | | | | |" for name, why in sorted(NOT_YET.items())]
    return rows + waiting


def main() -> None:
    """Verify, or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verify", nargs="*", metavar="NAME")
    chosen = parser.parse_args()
    if chosen.verify is not None:
        verify_all(chosen.verify)
    write_between(DOCS / "cards.md", "coverage", coverage())
    write_between(DOCS / "cards.md", "verified", outcomes())


if __name__ == "__main__":
    main()
