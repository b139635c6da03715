"""The page of what to trust has the counts that `make test-faults` left, and these have no failure."""

import json
import re
from pathlib import Path

import pytest

from docs.studies import STUDIES, script_of
from faults import run as faults
from hostile import run as hostile

ROOT = Path(__file__).parents[2]
GOOD = {"injected", "survived", "inputs", "read", "refused"}


@pytest.fixture(scope="module")
def script():
    with script_of("trust_page") as module:
        yield module


def counts(name):
    return json.loads((STUDIES / "trust" / f"{name}.json").read_text())["counts"]


@pytest.mark.parametrize("name", ["faults", "hostile"])
def test_the_page_has_the_stored_counts(script, name):
    page = (ROOT / "docs" / "trust.md").read_text()
    part = re.search(f"<!-- {name} -->\n(.*?)\n<!-- end of {name} -->", page, re.DOTALL)
    assert part is not None
    assert part[1].splitlines() == script.table(name)


@pytest.mark.parametrize("name", ["faults", "hostile"])
def test_the_stored_counts_have_nothing_bad(name):
    for kind, numbers in counts(name).items():
        assert [what for what, number in numbers.items() if number and what not in GOOD] == [], kind
        good = ("injected", "survived") if name == "faults" else ("inputs", "read", "refused")
        whole, *parts = (numbers[each] for each in good)
        assert whole == sum(parts), kind


@pytest.mark.parametrize(("name", "module"), [("faults", faults), ("hostile", hostile)])
def test_the_run_prints_the_table_of_the_page(script, name, module):
    assert module.table(counts(name)).splitlines() == script.table(name)


def test_the_readme_has_the_number_of_hostile_files():
    total = sum(numbers["inputs"] for numbers in counts("hostile").values())
    assert f"{total:,} of {total:,} hostile files" in (ROOT / "README.md").read_text()


def test_the_counts_are_as_many_as_promised():
    injected = {kind: numbers["injected"] for kind, numbers in counts("faults").items()}
    assert sum(number for kind, number in injected.items() if kind.startswith("kill")) >= 100
    assert injected["failing write"] >= 100
    assert injected["flipped bit"] >= 300
    assert sum(numbers["inputs"] for numbers in counts("hostile").values()) >= 2000
