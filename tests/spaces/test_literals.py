"""Architectures pasted as code, JSON and logs have them: read by a grammar, and refused in a sentence."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsieve.errors import ArchitectureError
from archsieve.spaces.attentivenas.space import AttentiveNAS
from archsieve.spaces.darts.space import DARTS
from archsieve.spaces.literals import read_configuration, read_values
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.topformer.space import TopFormer
from plugins.note import ATTENTIVENAS, ATTENTIVENAS_DESCRIBED, GENOTYPE, SEGMENTATION

INNER = ATTENTIVENAS[ATTENTIVENAS.index("{'resolution'") : ATTENTIVENAS.index("}") + 1]
WITHOUT_RESOLUTION = INNER.replace("'resolution': 288, ", "")
PAIRS = [["skip_connect", 1], ["sep_conv_3x3", 0]] * 4
BY_NODE = [PAIRS[:2]] * 4
NODES = [2, 3, 4, 5]


@pytest.mark.parametrize(
    "text",
    [
        ATTENTIVENAS,
        INNER,
        INNER.replace("'", '"'),  # JSON
        f"subnet_cfg = {INNER}",
        f"{{'arch': {{'subnet_cfg': {INNER}}}, 'score': [-1.5e-05]}}",
        f"resolution: 288 subnet_cfg: {WITHOUT_RESOLUTION}",
        f"{{'resolution': 288, 'subnet_cfg': {WITHOUT_RESOLUTION}, 'flops': 979.5}}",
        INNER.replace("[", "(").replace("]", ")"),
    ],
)
def test_a_dictionary_of_attentivenas(text):
    assert AttentiveNAS().describe(AttentiveNAS().parse(text)) == ATTENTIVENAS_DESCRIBED


def test_a_resolution_may_be_left_out_where_there_is_only_one():
    space = AttentiveNAS(resolutions=(256,))
    assert space.describe(space.parse(WITHOUT_RESOLUTION)) == ATTENTIVENAS_DESCRIBED.replace("288", "256")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (WITHOUT_RESOLUTION, "it lacks resolution: resolution, width, depth, kernel_size, expand_ratio are needed."),
        (INNER.replace("'width'", "'widths'"), "there is no key 'widths'. Did you mean 'width'?"),
        (INNER.replace("1792", "1790"), "the width of head is 1790, but must be one of 1792, 1984."),
        (
            INNER.replace("1792", "1792.5"),
            "width must be whole numbers, but is (16, 16, 24, 32, 72",
        ),
        (INNER.replace(", 1792", ""), "width needs 9 values, but got 8."),
        (INNER.replace("288", "'288'"), "resolution must be numbers, but is '288'."),
        (INNER.replace("288", "[224, 288]"), "resolution needs 1 values, but got 2."),
        (INNER[:-1], "a comma or '}' is missing."),
        ("{", "it ends too early."),
        ("{'a' 1}", "a colon is missing after the key 'a'."),
        ("{'a': 1, 'a': 2}", "a dictionary needs words as keys, each once, but has 'a'."),
        (f"{INNER} {INNER}", "nothing is expected where '{' stands."),
        (f"one: {INNER} two: {INNER}", "it holds 2 dictionaries side by side, but one is needed."),
        (SEGMENTATION["base"], "there is no key 'num_heads'. Known: "),
        ("{" * 5_000, "a dictionary needs words as keys"),
        ("{'a': " * 3_000, "its brackets are nested too deep."),
        (f"{INNER}{' ' * 20_000}", "characters, but at most 20,000 are read."),
        ("{'a': __import__('os').getcwd()}", "'.' is not part of one."),
    ],
)
def test_a_dictionary_that_does_not_fit(text, sentence):
    with pytest.raises(ArchitectureError, match=re.escape(sentence)) as caught:
        AttentiveNAS().parse(text)
    assert "is not an architecture of attentivenas: " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 350


@pytest.mark.parametrize("family", list(SEGMENTATION))
def test_a_dictionary_of_topformer(family):
    space, text = TopFormer(family), SEGMENTATION[family]
    arch = space.parse(text)
    assert space.parse(space.describe(arch)) == arch
    assert space.parse(text[text.index("{") :].replace("'", '"').replace("2.0", "2")) == arch
    assert space.parse(f"{{'cfg': {text[text.index('{') :]}, 'flops': 1.0}}") == arch


def test_a_segmentation_network_of_another_family_says_which():
    for text in (SEGMENTATION["small"], TopFormer("small").describe(TopFormer("small").parse(SEGMENTATION["small"]))):
        with pytest.raises(ArchitectureError) as caught:
            TopFormer().parse(text)
        assert str(caught.value) == (
            "width[2] must be one of 24, 32, 40, 48, but is '16'. It is an architecture of the family 'small', and the "
            "family here is 'base': add --set space.family=small."
        )
    with pytest.raises(ArchitectureError, match=r"but is '7'\.$"):  # of no family
        TopFormer().parse(SEGMENTATION["base"].replace("'kernel_size': [5,", "'kernel_size': [7,"))
    with pytest.raises(ArchitectureError, match=r"attn_ratio\[0\] must be one of 1\.6, .* but is '1\.65'"):
        TopFormer().parse(SEGMENTATION["base"].replace("[1.6, 2.2, 1.8, 2.0]", "[1.65, 2.2, 1.8, 2.0]"))


@pytest.mark.parametrize(
    "text",
    [
        GENOTYPE,
        f"FOUND = {GENOTYPE}",
        f"genotype: {GENOTYPE}\n",
        GENOTYPE.replace("Genotype(", "{'")
        .replace("=", "': ")
        .replace(", normal", ", 'normal")[:-1]
        .replace(", reduce", ", 'reduce")
        + "}",
        re.sub(r"\w+=", "", GENOTYPE).replace("Genotype(", "[")[:-1] + "]",
        re.sub(r"\('(\w+)', (\d)\)", r"[\2, '\1']", GENOTYPE),  # node first
    ],
)
def test_notations_of_one_genotype(text):
    assert DARTS().parse(text) == DARTS().parse(GENOTYPE)


@pytest.mark.parametrize("name", ["", "CELL = ", "cell: "])
@pytest.mark.parametrize(
    "value",
    [
        [PAIRS, NODES, PAIRS, NODES],  # a genotype as JSON writes it
        [PAIRS, PAIRS],
        [BY_NODE, NODES] * 2,  # a list a node
        [BY_NODE] * 2,
        {"normal": PAIRS, "normal_concat": NODES, "reduce": PAIRS, "reduce_concat": NODES},
        {"normal": PAIRS, "reduce": PAIRS},
    ],
)
def test_nested_lists(value, name):
    arch = DARTS().parse("-".join(["0-3-2"] * 8))
    assert DARTS().parse(f"{name}{json.dumps(value)}") == DARTS().parse(f"{name}{value}") == arch


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"A = {GENOTYPE}\nB = {GENOTYPE}", "it holds 2 architectures, but one is needed"),
        (json.dumps([PAIRS, [2, 3, 4], PAIRS, NODES]), "normal_concat is the nodes [2, 3, 4]"),
        (json.dumps([PAIRS, NODES, PAIRS]), "a genotype, or two lists of eight pairs, is needed"),
        (json.dumps([[*PAIRS[:-1]], PAIRS]), "the normal cell has 7 pairs, but needs 8"),
        (json.dumps({"normal": PAIRS, "reduction": PAIRS}), "a genotype has the fields normal, normal_concat, reduce"),
        (json.dumps({"normal": PAIRS}), "the genotype lacks its reduce cell"),
        ("CELL =", "it ends too early"),
        ("CELL = 7", "a genotype, or two lists of eight pairs, is needed"),
    ],
)
def test_genotypes_that_are_none(text, sentence):
    with pytest.raises(ArchitectureError, match=re.escape(sentence)):
        DARTS().parse(text)


@pytest.mark.parametrize("text", ["(2, 2, 0, 2, 3, 2)", "(2,2,0,2,3,2)", " (2, 2, 0, 2, 3, 2,)\n"])
def test_the_tuple_of_naslib(text):
    assert NASBench201().parse(text) == (3, 3, 3, 1, 2, 3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("(2, 2, 0, 2, 3, 5)", "numbers in round brackets are NASLib's tuple, which has six numbers in 0..4 (skip_con"),
        ("(2, 2, 0, 2, 3)", "numbers in round brackets are NASLib's tuple"),
        ("(222032)", "numbers in round brackets are NASLib's tuple"),
        ("[3, 3, 3, 1, 2, 3]", "does not say whose order of edges and operations it has: write NASLib's tuple in"),
        ("(2, 2, x)", "or NASLib's tuple in round brackets, like '(2, 2, 0, 2, 3, 2)'."),
    ],
)
def test_tuples_that_are_no_cell(text, sentence):
    with pytest.raises(ArchitectureError, match=re.escape(sentence)):
        NASBench201().parse(text)


def test_values_of_every_kind():
    assert read_values("a = -1.5e-05 b: {'c': [1, 'x y'], d: f(2, g=(3,))}")[0] == ("a", -1.5e-05)
    (name, value), *rest = read_values("b: {'c': [1, 'x y'], d: (3,)}")
    assert (name, value, rest) == ("b", {"c": (1, "x y"), "d": (3,)}, [])


def test_what_stands_around_a_configuration_counts_only_where_it_is_needed():
    text = "{'a': 1, 'cfg': {'a': 2, 'flops': 3.5}, 'b': 4, 'other': 5}"
    assert read_configuration(text, ["a", "b"], ["a", "b"]) == {"a": 2, "b": 4}


@given(st.text(alphabet="{}[]()=:,'\"0.5-e widthcfg", max_size=60))
def test_any_text_is_read_or_refused(text):
    with suppress(ArchitectureError):
        AttentiveNAS().parse(f"{{{text}")
