"""What is written once for every space: notation, moves, encoding, checks."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import archsieve
from archsieve.errors import ArchitectureError
from archsieve.registry import SPACES
from archsieve.spaces.contract import SearchSpace, check, enumerate_space, neighbours, one_hot, size


@dataclass(frozen=True)
class Toy(SearchSpace):
    options: tuple = (3, 1, 2)
    even: bool = False

    @property
    def choices(self):
        return self.options

    def build(self, arch, task):
        raise NotImplementedError

    def is_valid(self, arch):
        return not self.even or sum(arch) % 2 == 0


CHOICES = st.lists(st.integers(1, 14), min_size=1, max_size=6).map(tuple)


@st.composite
def spaces_with_a_code(draw):
    options = draw(CHOICES)
    return Toy(options), tuple(draw(st.integers(0, n - 1)) for n in options)


@given(spaces_with_a_code())
def test_parse_reads_what_describe_writes(pair):
    space, arch = pair
    assert space.parse(space.describe(arch)) == arch


def test_notation():
    assert Toy().describe((2, 0, 1)) == "201"
    assert Toy((12, 3)).describe((11, 2)) == "11-2"
    assert Toy().parse(" 201 ") == (2, 0, 1)
    assert Toy().canonical((2, 0, 1)) == (2, 0, 1)


def test_a_space_is_named_after_its_class_unless_it_names_itself():
    class Named(Toy):
        name = "my-space"

    assert Toy.name == "Toy"
    assert Named.name == "my-space"


@pytest.mark.parametrize(
    ("space", "text", "sentence"),
    [
        (Toy(), "2a1", "'2a1' is not an architecture of Toy: write 3 digits, e.g. '000'"),
        (Toy(), "", "'' is not an architecture of Toy: it has 0 decisions, the space 3"),
        (Toy(), "2011", "'2011' is not an architecture of Toy: it has 4 decisions, the space 3"),
        (Toy(), "210", "'210' is not an architecture of Toy: decision 1 is 1, but must lie in 0..0"),
        (Toy(), "٢01", "write 3 digits"),
        (Toy((12, 3)), "11", "it has 1 decisions, the space 2"),
        (Toy(even=True), "201", "'201' is excluded by the limits of Toy"),
    ],
)
def test_what_is_no_architecture_is_refused(space, text, sentence):
    with pytest.raises(ArchitectureError, match=sentence):
        space.parse(text)


@pytest.mark.parametrize("arch", [(-1, 0, 0), (3, 0, 0), (0, 0, 2)])
def test_check_names_the_decision(arch):
    wrong = next(i for i in range(3) if not 0 <= arch[i] < Toy().choices[i])
    with pytest.raises(ArchitectureError, match=f"decision {wrong} is {arch[wrong]}"):
        check(Toy(), arch)


def test_check_returns_plain_ints():
    found = check(Toy(), np.array([2, 0, 1], dtype=np.int8))
    assert found == (2, 0, 1)
    assert {type(option) for option in found} == {int}


def test_enumeration_is_lexicographic_and_valid():
    assert size(Toy()) == 6
    assert list(enumerate_space(Toy())) == [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 1), (2, 0, 0), (2, 0, 1)]
    assert list(enumerate_space(Toy(even=True))) == [(0, 0, 0), (1, 0, 1), (2, 0, 0)]


def test_neighbours_by_hand():
    assert neighbours(Toy(), (1, 0, 0)) == [(0, 0, 0), (2, 0, 0), (1, 0, 1)]
    assert neighbours(Toy(even=True), (2, 0, 0)) == [(0, 0, 0)]
    assert neighbours(Toy((1, 1)), (0, 0)) == []


@given(spaces_with_a_code(), st.integers(0, 2**32))
def test_mutate_changes_exactly_one_decision(pair, seed):
    space, arch = pair
    if max(space.choices) == 1:
        with pytest.raises(ArchitectureError, match="has no valid neighbour in Toy, so it cannot be mutated"):
            space.mutate(arch, np.random.default_rng(seed))
        return
    other = space.mutate(arch, np.random.default_rng(seed))
    assert check(space, other) == other
    assert sum(a != b for a, b in zip(arch, other, strict=True)) == 1


def test_mutate_reaches_every_neighbour_about_equally_within_a_decision():
    rng = np.random.default_rng(0)
    drawn = [Toy().mutate((1, 0, 0), rng) for _ in range(4000)]
    counts = [drawn.count(other) for other in neighbours(Toy(), (1, 0, 0))]
    assert counts == pytest.approx([1000, 1000, 2000], abs=150)  # half for each movable decision


def test_mutate_stays_within_the_limits():
    rng = np.random.default_rng(0)
    assert {Toy(even=True).mutate((0, 0, 0), rng) for _ in range(50)} == {(2, 0, 0)}


def test_sample_is_valid_and_uniform():
    rng = np.random.default_rng(0)
    drawn = [Toy(even=True).sample(rng) for _ in range(3000)]
    assert set(drawn) == {(0, 0, 0), (1, 0, 1), (2, 0, 0)}
    assert [drawn.count(arch) for arch in enumerate_space(Toy(even=True))] == pytest.approx([1000] * 3, abs=120)


def test_a_space_without_valid_codes_says_so():
    class Empty(Toy):
        def is_valid(self, arch):
            return False

    with pytest.raises(ArchitectureError, match="No valid architecture of Empty in 10000 draws: relax"):
        Empty().sample(np.random.default_rng(0))


def test_one_hot_by_hand():
    found = one_hot(Toy(), [(2, 0, 1), (0, 0, 0)])
    assert found.tolist() == [[0, 0, 1, 1, 0, 1], [1, 0, 0, 1, 1, 0]]
    assert one_hot(Toy(), []).shape == (0, 6)


def test_one_wording_for_what_is_not_an_architecture():
    """The sentence is written in one place, so that every space refuses a text in the same words."""
    package = Path(archsieve.__file__).parent
    phrase = re.compile(r"is (not an|no) architecture of")
    files = {str(p.relative_to(package)) for p in package.rglob("*.py") if any(map(phrase.search, _strings(p)))}
    assert files == {"spaces/text.py"}


def _strings(path):
    """Return the texts of a file's messages: the strings that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        n.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and id(n) not in docs and isinstance(n.value, str)
    ]


@pytest.mark.parametrize(
    ("space", "text", "sentence"),
    [
        ("nasbench101", "1:input", "'1:input' is not an architecture of nasbench101: it is not a matrix of 0 and 1"),
        ("nasbench1shot1-1", "0:output", "'0:output' is not an architecture of nasbench1shot1-1: it is not a matrix"),
        ("transnas-macro", "32-1234-basic", "its stem has 32 channels, but this space's stem has 64."),
        ("transnas-macro", "64-9-basic", "'64-9-basic' is not an architecture of transnas-macro: write a string like"),
        ("vitbench-pit", "40:6", "'40:6' is not an architecture of vitbench-pit: write one like '40:6:3-4-6:2-8-8'."),
        ("darts", "Genotype", "'Genotype' is not an architecture of darts: "),
    ],
)
def test_spaces_refuse_a_text_in_the_same_words(space, text, sentence):
    with pytest.raises(ArchitectureError, match=re.escape(sentence)):
        SPACES[space]().parse(text)
