"""DARTS: notations, which cells are one network, published sizes, drop path and the auxiliary head."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archsieve.errors import ArchitectureError, SettingError
from archsieve.estimators.contract import Context
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.estimators.zero_cost.watching import FeatureTap, run_watched
from archsieve.networks.building import build_network
from archsieve.networks.counting import count_macs, count_params
from archsieve.networks.drop_path import set_drop_path
from archsieve.networks.supernets import build_supernet
from archsieve.spaces.contract import check, size
from archsieve.spaces.darts.cell import INPUTS, NODES, OPERATIONS, PAIRS, canonical_cell, cells_of, code_of, edges_of
from archsieve.spaces.darts.space import DARTS
from archsieve.tasks.synthetic import Synthetic

CIFAR, IMAGENET = Synthetic(), Synthetic(shape=(3, 224, 224), num_outputs=1000, images=10)
TINY = Synthetic(shape=(3, 16, 16), num_outputs=4, images=40)
SPACE, SMALL = DARTS(), DARTS(width=4, layers=3)
CELLS = st.tuples(*[part for pairs in PAIRS for part in (st.integers(0, len(pairs) - 1), *[st.integers(0, 6)] * 2)])

# "Good Performance Estimation strategies are All You Need in NAS" (TPAMI 2025)
FOUND = (
    "Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1), ('dil_conv_3x3', 1), ('sep_conv_5x5', 2), "
    "('sep_conv_3x3', 2), ('sep_conv_3x3', 3), ('sep_conv_3x3', 1), ('sep_conv_3x3', 3)], normal_concat=range(2, 6), "
    "reduce=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('avg_pool_3x3', 1), ('dil_conv_3x3', 2), ('avg_pool_3x3', 0), "
    "('sep_conv_3x3', 1), ('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))"
)
# arXiv 1806.09055, second order
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
COMPACT = (
    "[[(0, 1), (1, 4), (2, 3), (0, 4), (1, 5), (2, 4), (1, 0), (4, 1)], "
    "[(1, 0), (0, 1), (0, 6), (2, 5), (3, 5), (2, 6), (1, 5), (4, 6)]]"
)


def test_size():
    assert size(SPACE) == (1 * 3 * 6 * 10 * 7**8) ** 2 == 1_037_664_180**2


@pytest.mark.parametrize(
    ("space", "task", "params", "macs"),
    [
        (DARTS(36, 20), CIFAR, 3_955_654, 615_809_664),
        (DARTS(36, 20, auxiliary=True), CIFAR, 4_432_080, 615_809_664),
        (DARTS(48, 14, "imagenet"), IMAGENET, 5_523_136, 613_501_632),
        (DARTS(48, 14, "imagenet", auxiliary=True), IMAGENET, 6_783_912, 613_501_632),
    ],
)
def test_the_published_cell_has_its_published_size(space, task, params, macs):
    arch = space.parse(FOUND)
    with torch.device("meta"):
        network = space.build(arch, task)
    assert (count_params(network), space.params(arch, task)) == (params, params)
    assert (count_macs(network, task.input_shape), space.macs(arch, task)) == (macs, macs)


def test_the_cell_of_the_first_paper_has_its_published_size():
    space = DARTS(36, 20)
    assert space.params(space.parse(DARTS_V2), CIFAR) == 3_349_342


def test_a_code_by_hand():
    arch = SPACE.parse(COMPACT)
    # Node 2 takes 0 and 1. Node 3 the second pair of (0,1) (0,2) (1,2). Node 4 the fourth of (0,1) (0,2) (0,3) (1,2).
    # Node 5 the seventh of (0,1) (0,2) (0,3) (0,4) (1,2) (1,3) (1,4). Operations by predecessor.
    assert arch[:12] == (0, 1, 4, 1, 4, 3, 3, 5, 4, 6, 0, 1)
    # (0, 1): 1, 0; (0, 2): 6, 5; (2, 3), the last of six: 6, 5; (1, 4): 5, 6.
    assert arch[12:] == (0, 1, 0, 1, 6, 5, 5, 6, 5, 6, 5, 6)
    assert SPACE.describe(arch) == (
        "[[(0, 1), (1, 4), (0, 4), (2, 3), (1, 5), (2, 4), (1, 0), (4, 1)], "
        "[(0, 1), (1, 0), (0, 6), (2, 5), (2, 6), (3, 5), (1, 5), (4, 6)]]"
    )


def test_one_architecture_in_all_notations():
    arch = SPACE.parse(FOUND)
    assert SPACE.parse("0-2-3-2-5-4-5-3-3-5-3-3-0-3-3-2-1-5-0-1-3-0-0-0") == arch
    assert SPACE.parse("023254533533033215013000") == arch
    assert SPACE.genotype(arch) == FOUND
    assert SPACE.parse(FOUND.replace("range(2, 6)", "[5, 4, 3, 2]")) == arch
    assert SPACE.parse(FOUND.replace("range(2, 6)", "list(range(2,6))").replace("'", '"')) == arch
    assert SPACE.parse(re.sub(r"\w+=", "", FOUND)) == arch
    assert SPACE.parse(re.sub(r", \w+_concat=range\(2, 6\)", "", FOUND)) == arch
    swapped = FOUND.replace("('skip_connect', 0), ('sep_conv_3x3', 1)", "('sep_conv_3x3', 1), ('skip_connect', 0)")
    assert swapped != FOUND
    assert SPACE.parse(f"\n{swapped} ") == arch


@given(CELLS, CELLS, st.lists(st.booleans(), min_size=8, max_size=8))
def test_notations_go_there_and_back(normal, reduction, flips):
    arch = normal + reduction
    assert SPACE.parse(SPACE.describe(arch)) == SPACE.parse(SPACE.genotype(arch)) == arch
    pairs = [[(e.source, e.operation) for e in edges_of(code)] for code in cells_of(arch)]
    for cell, mine in zip(pairs, (flips[:4], flips[4:]), strict=True):
        for i, flip in enumerate(mine):
            cell[2 * i : 2 * i + 2] = cell[2 * i : 2 * i + 2][:: -1 if flip else 1]
    assert SPACE.parse(str(pairs)) == SPACE.parse(str(tuple(map(tuple, pairs)))) == arch


CELL = "[(0, 1), (1, 4), (2, 3), (0, 4), (1, 5), (2, 4), (1, 0), (4, 1)]"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it ends too early. Write a Genotype(...), two lists of pairs as in '[[(0, 0), (1, 0), (0,'..., or 24"),
        ("0-1-2", "it has 3 decisions, the space 24"),
        ("0" * 15 + "9" + "0" * 8, "decision 15 is 9, but must lie in 0..2"),
        (f"[{CELL}]", "a genotype, or two lists of eight pairs, is needed"),
        (f"[{CELL}, {CELL}, {CELL}]", "a genotype, or two lists"),
        (f"[{CELL}, {CELL}", "a comma or ']' is missing"),
        (f"[{CELL}, {CELL}] 3", "nothing is expected where '3' stands"),
        (f"[{CELL}, 7]", "the reduce cell has no pairs, but needs 8"),
        (f"[{CELL[:-9]}], {CELL}]", "the normal cell has 7 pairs, but needs 8"),
        (f"[{CELL}, {CELL.replace('(4, 1)', '(5, 1)')}]", "node 5 of the reduce cell cannot take node 5"),
        (f"[{CELL}, {CELL.replace('(4, 1)', '(1, 1)')}]", "node 5 of the reduce cell takes node 1 twice"),
        (f"[{CELL}, {CELL.replace('(4, 1)', '(4, 7)')}]", "the reduce cell has the operation 7, but must have 0..6"),
        (f"[{CELL}, {CELL.replace('(4, 1)', '4')}]", "a pair of the reduce cell is neither (node, number) nor"),
        (f"[{CELL}, {CELL.replace('(4, 1)', '(4, 1, 2)')}]", "a pair of the reduce cell is neither"),
        (f"[{CELL}, {CELL.replace('(4, 1)', '(-4, 1)')}]", "'-' is not part of one"),
        (FOUND.replace("skip_connect", "none"), "the operation 'none', which is not one of max_pool_3x3, avg_pool_3x3"),
        (FOUND.replace("skip_connect", "skip"), "the normal cell has the operation 'skip'"),
        (FOUND.replace("'skip_connect'", "skip_connect"), "a pair of the normal cell is neither"),
        (FOUND.replace("Genotype", "PNAS"), "'PNAS' is not a Genotype"),
        (
            FOUND.replace("normal_concat=range(2, 6)", "normal_concat=range(3, 6)"),
            "the nodes [3, 4, 5], but the cells of this space",
        ),
        (FOUND.replace("reduce_concat=range(2, 6)", "reduce_concat=[2, 3, 4]"), "reduce_concat is the nodes [2, 3, 4]"),
        (
            FOUND.replace("reduce_concat=range(2, 6)", "reduce_concat=range(2, 99)"),
            "the cells of this space output the nodes [2, 3",
        ),
        (FOUND.replace("reduce_concat=range(2, 6)", "reduce_concat=set(2, 6)"), "reduce_concat is something else"),
        (FOUND.replace("reduce=", "reduction="), "has the fields normal, normal_concat, reduce, reduce_concat and no"),
        (FOUND.replace("reduce=", "normal="), "a comma or ')' is missing"),
        (FOUND.partition(", reduce=")[0] + ", reduce=[])", "the reduce cell has 0 pairs, but needs 8"),
        (FOUND.partition(", reduce=")[0] + ")", "the genotype lacks its reduce cell"),
        ("[" * 10_000, "its brackets are nested too deep"),
        ("__import__('os').system('true')", "'.' is not part of one"),
        ("__import__('os')", "'__import__' is not a Genotype"),
        ("lambda: 0", "a genotype, or two lists of eight pairs, is needed"),
        ("٣" * 24, "is not an architecture of darts"),
    ],
)
def test_texts_that_are_no_architecture(text, sentence):
    with pytest.raises(ArchitectureError, match=re.escape(sentence)) as caught:
        SPACE.parse(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 450


@given(st.text(alphabet="[]()=,'\"09rangeGenotype_ 2", max_size=40))
def test_any_text_is_read_or_refused(text):
    with suppress(ArchitectureError):
        check(SPACE, SPACE.parse(text))


def test_features_by_hand():
    features = SPACE.features(SPACE.parse(COMPACT))
    # Edges into node 2 (2 of them), 3 (3), 4 (4), 5 (5); one more than the operation.
    assert features[:14] == (2, 5, 5, 0, 4, 0, 6, 5, 0, 0, 1, 0, 0, 2)
    assert features[14:] == (2, 1, 7, 0, 6, 0, 0, 7, 6, 0, 6, 0, 0, 7)


def relabelled(code, order):
    """Return the cell whose nodes 2, 3, 4, 5 were the nodes `order`; None if one comes before its predecessor."""
    new = {0: 0, 1: 1, **dict(zip(order, NODES, strict=True))}
    edges = [(new[source], new[target], operation) for source, target, operation in edges_of(code)]
    return code_of(edges) if all(source < target for source, target, _ in edges) else None


def orbit(code):
    return {found for order in permutations(NODES) if (found := relabelled(code, order))}


@given(CELLS)
@settings(deadline=None)
def test_the_canonical_cell_is_one_of_those_in_another_order(code):
    same = orbit(code)
    assert canonical_cell(code) in same
    assert {canonical_cell(other) for other in same} == {canonical_cell(code)}


def number_of_orbits(codes):
    """Count the orbits of codes, each listed once."""
    met, count = set(), 0
    for code in codes:
        if code not in met:
            met.update(orbit(code))
            count += 1
    return count


def test_number_of_networks():
    # Without operations, orbits of the 180 wirings; with two operations on every edge, orbits of all 180 * 2^8 cells.
    wirings = [tuple(c for pair in pairs for c in (pair, 0, 0)) for pairs in product(*(range(len(p)) for p in PAIRS))]
    assert len({canonical_cell(code) for code in wirings}) == number_of_orbits(wirings) == 79
    two = [
        tuple(c for i, pair in enumerate(code[::3]) for c in (pair, *operations[2 * i : 2 * i + 2]))
        for code in wirings
        for operations in product((0, 3), repeat=8)
    ]
    assert len({canonical_cell(code) for code in two}) == number_of_orbits(two)


@pytest.mark.parametrize("seed", range(4))
def test_networks_of_one_class_compute_the_same_with_their_weights_moved(seed):
    """Moving each edge's weights with its nodes, and the channels behind them, changes no output."""
    rng = np.random.default_rng(seed)
    while True:
        arch = SMALL.sample(rng)
        orders = [order for order in permuted(arch) if order != NODES]
        if orders:
            break
    order = orders[0]
    normal, reduction = cells_of(arch)
    other = relabelled(normal, order) + reduction
    assert SMALL.canonical(other) == SMALL.canonical(arch)
    one, two = build_network(SMALL, arch, TINY, 0).eval(), build_network(SMALL, other, TINY, 1).eval()
    two.load_state_dict(moved(one.state_dict(), order))
    inputs = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(one(inputs), two(inputs), rtol=1e-4, atol=1e-5)


def permuted(arch):
    return [order for order in permutations(NODES) if relabelled(arch[:12], order)]


def moved(state, order):
    """Return the weights of a network whose normal cells have the nodes in another order."""
    new = {0: 0, 1: 1, **dict(zip(order, NODES, strict=True))}
    shapes, found = SMALL.cells(), {}
    assert [shape.is_reduction for shape in shapes] == [False, True, True]
    for name, tensor in state.items():
        if name.startswith("cells.0.edges."):
            source, target = map(int, name.split(".")[3].split("-"))
            name = name.replace(f"{source}-{target}", f"{new[source]}-{new[target]}")
        is_behind = name in ("cells.1.last.1.weight", "cells.2.before.straight.weight", "cells.2.before.moved.weight")
        if is_behind or name == "cells.2.before.1.weight":  # the channels that the first cell puts out
            tensor = torch.cat([tensor.chunk(4, dim=1)[old - 2] for old in order], dim=1)
        found[name] = tensor
    return found


def test_two_networks_that_differ_in_more_than_order():
    base = SPACE.parse(FOUND)
    for i, options in enumerate(SPACE.choices):
        if options == 7:
            other = (*base[:i], (base[i] + 1) % 7, *base[i + 1 :])
            assert SPACE.canonical(other) != SPACE.canonical(base)


@pytest.mark.data
def test_published_sizes_of_250_cells():
    """NASLib's networks, C 32 and 8 layers, have these parameters but for those of the BNs behind operations."""
    file = Path(os.environ.get("ARCHSIEVE_DATA", "")) / "published-proxies-nasbench301-cifar10.json"
    if not file.is_file():
        pytest.skip(f"{file.name} is not there")
    published = json.loads(file.read_text())
    published = published.get("cifar10", published)
    assert len(published) == 250
    widths = {False: 0, True: 0}
    for shape in SPACE.cells():
        widths[shape.is_reduction] += shape.width
    norms = {3: 2, 4: 2, 5: 1, 6: 1}
    for text, known in published.items():
        arch = SPACE.parse(text)
        behind = 0
        for is_reduction, code in enumerate(cells_of(arch)):
            for source, _, operation in edges_of(code):
                halves = operation == 2 and is_reduction and source in INPUTS
                behind += 2 * widths[bool(is_reduction)] * (1 if halves else norms.get(operation, 0))
        assert SPACE.params(arch, CIFAR) - behind == round(known["params"] * 1e6)


def test_costs_by_hand():
    # Width 2, one layer, which is a reduction: nodes of 4 channels, from a stem of 6; image 1x4x4, 3 classes.
    space, task = DARTS(width=2, layers=1), Synthetic(shape=(1, 4, 4), num_outputs=3, images=10)
    pools = (0,) * 24
    # Stem 54 + 12; two inputs 6*4 + 8 each; linear 16*3 + 3. MACs: 54*16, 2 * 24*16, 16*3.
    params, macs = 54 + 12 + 2 * 32 + 51, 54 * 16 + 2 * 24 * 16 + 48
    assert (space.params(pools, task), space.macs(pools, task)) == (params, macs)
    # Node 2 of the reduction: skip from 0 (two convolutions 4 -> 2, BN), sep 3x3 from 1, both on 2x2 positions.
    arch = (*(0,) * 12, 0, 2, 3, *(0,) * 9)
    assert space.params(arch, task) == params + 16 + 8 + 2 * (36 + 16 + 8)
    assert space.macs(arch, task) == macs + 4 * 16 + 4 * 2 * (36 + 16)
    assert space.params((*(0, 4, 4) * 4, *pools[12:]), task) == params  # no layer is a normal cell


@pytest.mark.parametrize("shape", [(3, 15, 17), (1, 9, 9), (3, 7, 12)])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_odd_sides_are_rounded_up(shape, stem):
    space, task = DARTS(width=2, layers=3, stem=stem), Synthetic(shape=shape, num_outputs=3, images=10)
    for seed in range(3):
        arch = space.sample(np.random.default_rng(seed))
        network = build_network(space, arch, task, 0).eval()
        assert network(torch.zeros(2, *shape)).shape == (2, 3)
        assert count_macs(network, shape) == space.macs(arch, task)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"width": 1}, r"`width >= 2` and `layers >= 1` must hold, but got DARTS\(width=1"),
        ({"layers": 0}, r"must hold, but got DARTS\(width=32, layers=0"),
        ({"stem": "mnist"}, "`stem` must be 'cifar' or 'imagenet', but got 'mnist'"),
    ],
)
def test_settings_that_cannot_be(given, sentence):
    with pytest.raises(SettingError, match=sentence):
        DARTS(**given)


def test_reductions_lie_at_a_third_and_two_thirds():
    for layers, expected in ((8, [2, 5]), (20, [6, 13]), (14, [4, 9]), (5, [1, 3]), (1, [0])):
        assert [i for i, c in enumerate(DARTS(layers=layers).cells()) if c.is_reduction] == expected


# The supernet


def test_a_supernet_holds_every_operation_of_every_edge():
    modules = dict(build_supernet(SMALL, TINY, 0).named_modules())
    found = [re.fullmatch(r"cells\.\d\.edges\.(\d-\d\.\d)", name) for name in modules]
    names = {match[1] for match in found if match}
    assert names == {f"{s}-{t}.{o}" for t in NODES for s in range(t) for o in range(len(OPERATIONS))}
    assert len(names) == 14 * 7


def test_a_step_trains_the_edges_of_the_path_and_no_others():
    supernet, arch = build_supernet(SMALL, TINY, 0), SMALL.sample(np.random.default_rng(0))
    supernet(torch.randn(2, 3, 16, 16), arch).sum().backward()
    trained = {n for n, p in supernet.named_parameters() if p.grad is not None}
    assert trained == {n for n, _ in SMALL.build(arch, TINY).named_parameters()}


def test_fair_sampling_is_refused(tmp_path):
    with pytest.raises(SettingError, match=r"the decisions of darts have 1 to 10 options: use sampling=\"uniform\""):
        OneShot(epochs=1, sampling="fair").fit([], Context(SMALL, TINY, tmp_path), None)


# Drop path and the auxiliary head


def paths_dropped(arch):
    """Return how much of a cell's output drop path changes, node by node, in training."""
    network = build_network(SMALL, arch, TINY, 0)
    cell, edges = network.cells[0], edges_of(arch[:12])
    before, last = (torch.rand(2, 12, 8, 8) for _ in range(2))
    with torch.no_grad():
        plain = cell(before, last, edges)
        set_drop_path(network, 0.999999)
        dropped = cell(before, last, edges)
        network.eval()
        assert not torch.equal(cell(before, last, edges), dropped)
    return plain.chunk(4, dim=1), dropped.chunk(4, dim=1)


def test_drop_path_spares_identities():
    # Node 2: skip from 0 and from 1; node 3: skip from 0, pooling of 1; node 4 and 5: convolutions and pooling.
    arch = (0, 2, 2, 0, 2, 0, 0, 3, 5, 0, 1, 6, *(0,) * 12)
    plain, dropped = paths_dropped(arch)
    assert torch.equal(plain[0], dropped[0])
    assert not torch.equal(plain[1], dropped[1])
    assert dropped[1].abs().sum() > 0
    assert dropped[2].abs().sum() == dropped[3].abs().sum() == 0


def test_a_skip_that_halves_is_dropped():
    network = build_network(SMALL, (*(0,) * 12, *(0, 2, 2) * 4), TINY, 0)
    set_drop_path(network, 0.999999)
    cell = network.cells[1]
    with torch.no_grad():
        assert cell(torch.rand(2, 12, 8, 8), torch.rand(2, 16, 8, 8), edges_of((0, 2, 2) * 4)).abs().sum() == 0


@pytest.mark.parametrize(
    ("space", "task"), [(DARTS(4, 3, auxiliary=True), CIFAR), (DARTS(4, 3, "imagenet", True), IMAGENET)]
)
def test_the_auxiliary_head_answers_in_training_alone(space, task):
    arch = space.parse(FOUND)
    network = build_network(space, arch, task, 0)
    inputs = torch.randn(2, *task.input_shape, generator=torch.Generator().manual_seed(0))
    outputs, auxiliary = network(inputs)
    assert outputs.shape == auxiliary.shape == (2, task.num_outputs)
    auxiliary.sum().backward()
    reached = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert reached == {"stem", "cells", "auxiliary"}
    assert network.eval()(inputs).shape == (2, task.num_outputs)


def test_the_law_of_the_supernet_holds_of_both_heads():
    space = DARTS(width=4, layers=1, auxiliary=True)
    supernet, arch = build_supernet(space, TINY, 0), space.sample(np.random.default_rng(0))
    inputs = torch.randn(3, *TINY.input_shape, generator=torch.Generator().manual_seed(0))
    alone = supernet.extract(arch)(inputs)
    assert len(alone) == 2
    assert all(map(torch.equal, alone, supernet(inputs, arch)))
    assert torch.equal(supernet.eval().extract(arch)(inputs), supernet(inputs, arch))
    assert space.params(arch, TINY) == count_params(space.build(arch, TINY))


@pytest.mark.parametrize("auxiliary", [False, True])
def test_the_features_before_the_head_are_what_is_pooled(auxiliary):
    """What zen taps is the output of the last cell, with or without a head beside it."""
    space = DARTS(width=4, layers=3, auxiliary=auxiliary)
    network, pooled = build_network(space, space.parse(FOUND), CIFAR, 0), []
    network.head[0].register_forward_pre_hook(lambda module, inputs: pooled.append(inputs[0]))
    _, tap = run_watched(network, torch.randn(2, 3, 32, 32), FeatureTap(2, keep=lambda tensor: tensor))
    assert tap.features() is pooled[0]
    assert tuple(pooled[0].shape) == (2, 4 * 16, 8, 8)


def test_an_auxiliary_head_that_does_not_fit_is_a_sentence():
    with pytest.raises(
        SettingError, match="needs maps of 8 to 10 pixels a side after the second reduction, but gets 4 x 4"
    ):
        DARTS(4, 3, auxiliary=True).build((0,) * 24, TINY)
    with pytest.raises(SettingError, match=r"needs maps of 7 to 8 pixels a side .* but gets 1 x 1"):
        DARTS(4, 3, "imagenet", auxiliary=True).params((0,) * 24, CIFAR)


def test_a_picture_has_both_cells():
    cells = SPACE.picture(SPACE.parse(FOUND)).cells
    assert list(cells) == ["normal", "reduce"]
    assert cells["normal"][0] == ("0", "2", "skip_connect")
    assert cells["reduce"][-1] == ("1", "5", "max_pool_3x3")
    assert all(len(edges) == 8 for edges in cells.values())
