"""Every page with figures has a card, or a reason why not; the page of cards has the tables that its script writes."""

import re
from pathlib import Path

import pytest

from archsieve.verifying.cards import card_paths, read_card
from archsieve.verifying.outputs import digest_of_output, figures_of_page, marks_of, page_of
from docs.studies import script_of

ROOT = Path(__file__).parents[2]
CARDS = {name: read_card(path) for name, path in card_paths().items()}
PAPERS = re.compile(r"\d{4}\.\d{5}")
FIGURES = re.compile(r"^\|.*(?<![-\w.])\d+\.\d", re.MULTILINE)


@pytest.fixture(scope="module")
def script():
    with script_of("cards_page") as module:
        yield module


def test_every_page_with_figures_has_a_card_or_a_reason(script):
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    measured = {page.name for page in pages if FIGURES.search(PAPERS.sub("", page.read_text()))} - {"cards.md"}
    listed = {*script.covered(), *script.WITHOUT}
    assert measured - listed == set()
    assert listed <= {page.name for page in pages}


def test_the_page_has_the_tables_that_its_script_writes(script):
    page = (ROOT / "docs" / "cards.md").read_text()
    assert "\n".join(script.coverage()) in page
    assert "\n".join(script.outcomes()) in page


def test_every_card_was_verified_and_nothing_was_outside(script):
    assert {*script.verified(), *script.NOT_YET} == card_paths().keys()
    assert not script.verified().keys() & script.NOT_YET.keys()
    for name, outcome in script.verified().items():
        assert (outcome["outside"], outcome["compared"] > 0) == (0, True), name
        assert outcome["sha256"] == CARDS[name].sha256, f"{name}: python studies/cards_page.py --verify {name}"


@pytest.mark.parametrize("name", [name for name, card in CARDS.items() if card.kind in ("page", "output")])
def test_the_figures_of_a_card_are_those_that_it_was_made_with(name):
    card = CARDS[name]
    figures = figures_of_page(page_of(card), marks_of(card)) if card.kind == "page" else card.content["output"]
    assert digest_of_output(figures) == card.sha256, f"{name}: make its card anew (studies/make_card.py)"
