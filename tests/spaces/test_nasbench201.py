"""NAS-Bench-201: notations, which cells are one network, and what each costs."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import permutations, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archsieve.errors import ArchitectureError, SettingError
from archsieve.estimators.contract import Context
from archsieve.estimators.size import FLOPS
from archsieve.networks.building import build_network
from archsieve.spaces.contract import enumerate_space, size
from archsieve.spaces.nasbench201.cell import EDGES, KERNELS
from archsieve.spaces.nasbench201.space import NASBench201, from_naslib, to_naslib, unique_string
from archsieve.tasks.synthetic import Synthetic

CIFAR = Synthetic()
TINY = Synthetic(shape=(3, 8, 8), num_outputs=4, images=20)
SPACE, SMALL = NASBench201(), NASBench201(width=4, cells=2, stages=1)
CODES = st.tuples(*[st.integers(0, 4)] * 6)


def code(text):
    return tuple(map(int, text))


def test_size_and_number_of_classes():
    codes = list(enumerate_space(SPACE))
    assert len(codes) == size(SPACE) == 15_625
    assert len({SPACE.canonical(arch) for arch in codes}) == 6590
    assert len({unique_string(arch) for arch in codes}) == 6466


@given(CODES)
def test_the_canonical_code_comes_first_and_costs_the_same(arch):
    canonical = SPACE.canonical(arch)
    assert canonical <= arch
    assert SPACE.params(canonical, CIFAR) == SPACE.params(arch, CIFAR)
    assert SPACE.macs(canonical, CIFAR) == SPACE.macs(arch, CIFAR)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("300010", "000300", True),  # 3<-1<-0: a convolution and a skip, in either order of edges, or at once
        ("030001", "000300", True),
        ("230011", "320011", True),  # two branches change places
        ("000340", "000300", True),  # pooling a node nothing reaches adds nothing
        ("000320", "000300", False),  # a convolution of nothing has a BN with a bias, and parameters
        ("300100", "030100", True),  # a dead convolution of the input, here or there
        ("300100", "200100", False),  # dead, but of another size
        ("300100", "000100", False),
        ("110110", "200100", False),
        ("100010", "000100", True),  # the input, through two skips or one
        ("100110", "000100", False),  # the input twice is not the input once
        ("400040", "000400", False),  # pooling twice is not pooling once
        ("333132", "333123", False),  # the two best cells
    ],
)
def test_classes_by_hand(one, other, same):
    assert (SPACE.canonical(code(one)) == SPACE.canonical(code(other))) is same


def convolution_edges(arch):
    return [edge for edge, operation in enumerate(arch) if operation in KERNELS]


def outputs_with_edges_moved(arch, other, places, inputs):
    """Return the outputs of `arch`, and those of `other` with the weights of the edges of `arch` moved to `places`."""
    network, twin = build_network(SMALL, arch, TINY, 0), build_network(SMALL, other, TINY, 1)
    with torch.no_grad():  # affine weights that matter: with the initial ones a BN of nothing is nothing
        for p in network.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    state = {}
    for name, tensor in network.state_dict().items():
        if ".edges." in name:
            head, _, tail = name.partition(".edges.")
            edge, _, tail = tail.partition(".")
            name = f"{head}.edges.{places[int(edge)]}.{tail}"
        state[name] = tensor
    twin.load_state_dict(state, strict=True)
    return network(inputs), twin(inputs)


def can_be_matched(arch, other):
    """Whether some assignment of the convolutions of one to those of the other gives the same outputs."""
    inputs = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    mine, theirs = convolution_edges(arch), convolution_edges(other)
    for order in permutations(theirs):
        if [arch[e] for e in mine] == [other[e] for e in order]:
            one, two = outputs_with_edges_moved(arch, other, dict(zip(mine, order, strict=True)), inputs)
            if torch.allclose(one, two, rtol=1e-4, atol=1e-5):
                return True
    return False


def test_cells_of_one_class_compute_the_same():
    classes = defaultdict(list)
    for arch in enumerate_space(SPACE):
        classes[SPACE.canonical(arch)].append(arch)
    many = [c for c in classes.values() if len(c) > 1 and 1 <= len(convolution_edges(c[0])) <= 3]
    rng = np.random.default_rng(0)
    for chosen in rng.choice(len(many), 25, replace=False):
        one, other = rng.choice(many[chosen], 2, replace=False)
        assert can_be_matched(tuple(map(int, one)), tuple(map(int, other)))


@pytest.mark.parametrize(
    ("one", "other"),
    [("000320", "200300"), ("400040", "000400"), ("200300", "200030"), ("320011", "320010")],
)
def test_cells_of_different_functions_cannot_be_matched(one, other):
    assert not can_be_matched(code(one), code(other))
    assert SPACE.canonical(code(one)) != SPACE.canonical(code(other))


def test_unique_string_by_hand():
    assert unique_string(code("000000")) == "#+#+#"
    assert unique_string(code("111111")) == "0+0+0+0"  # nodes 0, 0, 0+0
    # Node 1: (0)@conv3. Node 2: nothing and nothing. Node 3: nothing, node 1 pooled, and, as node 2's string is "#+#"
    # and not "#", a 1x1 convolution of it.
    assert unique_string(code("300042")) == "#+(#+#)@nor_conv_1x1+((0)@nor_conv_3x3)@avg_pool_3x3"
    # Node 1 is nothing, "#", and so is a convolution of it; what node 2 holds reaches nobody.
    assert unique_string(code("022030")) == "#+#+#"


@pytest.mark.data
def test_unique_string_of_all_cells(cell_benchmark):
    published = cell_benchmark.text("unique_str")
    assert len(published) == 15_625
    assert {arch: unique_string(arch) for arch in published} == published


def test_naslib_by_hand():
    # Ours: 1<-0 none, 2<-0 skip, 2<-1 conv1, 3<-0 conv3, 3<-1 pool, 3<-2 none.
    # NASLib's edges are (1,2) (1,3) (1,4) (2,3) (2,4) (3,4), its operations skip, none, conv3, conv1, pool.
    assert to_naslib(code("012340")) == (1, 0, 2, 3, 4, 1)
    assert from_naslib((1, 0, 2, 3, 4, 1)) == code("012340")


@given(CODES)
def test_naslib_goes_there_and_back(arch):
    assert from_naslib(to_naslib(arch)) == arch
    assert to_naslib(from_naslib(arch)) == arch


def test_naslib_names_each_cell_once():
    assert len({to_naslib(arch) for arch in product(range(5), repeat=6)}) == 15_625


@given(CODES)
def test_both_notations_are_read(arch):
    text = SPACE.describe(arch)
    assert SPACE.parse(text) == arch
    assert SPACE.parse("".join(map(str, arch))) == arch
    assert [part.count("~") for part in text.split("+")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("33312", "it has 5 decisions, the space 6"),
        ("333125", r"decision 5 is 5, but must lie in 0\.\.4"),
        ("", "write six digits in 0..4, or a string like"),
        ("٣33123", "write six digits in 0..4"),
        ("|skip_connect~0|", "write six digits in 0..4"),
        ("|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|", "with the operations none, skip_connect, nor_conv_1x1"),
        ("|none~1|+|none~0|none~1|+|none~0|none~1|none~2|", "is not an architecture of nasbench201"),
        ("|none~0|none~0|none~1|+|none~0|none~1|none~2|", "is not an architecture of nasbench201"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|+", "is not an architecture of nasbench201"),
    ],
)
def test_texts_that_are_no_cell(text, sentence):
    with pytest.raises(ArchitectureError, match=sentence):
        SPACE.parse(text)


@pytest.mark.parametrize("given", [{"width": 0}, {"cells": 0}, {"stages": -1}])
def test_settings_that_cannot_be(given):
    ((name, value),) = given.items()
    with pytest.raises(SettingError, match=f"must be at least 1, but got .*{name}={value}"):
        NASBench201(**given)


def test_costs_by_hand():
    # Width 2, one stage of one cell, image 1x4x4, 3 classes. Stem 18 weights, BN 4; head BN 4, linear 2*3 + 3 = 9.
    space, task = NASBench201(width=2, cells=1, stages=1), Synthetic(shape=(1, 4, 4), num_outputs=3, images=10)
    assert space.params(code("014014"), task) == 18 + 4 + 4 + 9
    assert space.macs(code("014014"), task) == 18 * 16 + 2 * 3
    # A 3x3 edge: 36 weights, BN 4; a 1x1 edge: 4 weights, BN 4; dead or alive.
    assert space.params(code("300002"), task) == 18 + 4 + 4 + 9 + 40 + 8
    assert space.macs(code("300002"), task) == 18 * 16 + 2 * 3 + 36 * 16 + 4 * 16


@pytest.mark.data
def test_params_of_the_published_cells(published):
    assert len(published.archs) == 245
    counted = [SPACE.params(arch, CIFAR) for arch in published.archs]
    assert counted == [round(p * 1e6) for p in published.columns["params"]]
    np.testing.assert_allclose(published.columns["params"] * 1e6, counted, rtol=1e-12)


def _assert_flops_are_published(archs, published, tmp_path):
    counted = FLOPS().score(archs, Context(SPACE, CIFAR, tmp_path))
    np.testing.assert_allclose(published.lookup("flops", archs) * 1e6, counted, rtol=1e-12)


@pytest.mark.data
def test_flops_of_published_cells(published, tmp_path):
    # One cell for every multiset of operations that the file has with 1 to 3 kinds of them: fast, and different.
    chosen = {tuple(sorted(Counter(arch).items())): arch for arch in published.archs if len(set(arch)) <= 3}
    assert len(chosen) > 30
    _assert_flops_are_published(list(chosen.values())[:40], published, tmp_path)


@pytest.mark.data
@pytest.mark.slow
def test_flops_of_all_published_cells(published, tmp_path):
    _assert_flops_are_published(list(published.archs), published, tmp_path)


def test_the_skeleton():
    network = SPACE.build(code("333123"), CIFAR)
    kinds = [type(part).__name__ for part in network.body]
    stage = ["NASBench201Cell"] * 5
    assert kinds == [*stage, "ResidualBlock", *stage, "ResidualBlock", *stage]
    assert [type(m).__name__ for m in network.stem] == ["Conv2d", "BatchNorm2d"]
    block = network.body[5]
    assert [type(m).__name__ for m in block.shortcut] == ["AvgPool2d", "Conv2d"]
    assert (block.first[1].stride, block.second[1].stride) == ((2, 2), (1, 1))
    assert network.head[-1].in_features == 64


def test_a_cell_sums_its_edges_by_hand():
    # Edges: 1<-0 skip, 2<-0 pool, 2<-1 skip, 3<-0 none, 3<-1 skip, 3<-2 skip, so the output is x + (pool(x) + x).
    # A 2x2 picture under a 3x3 pooling that counts real pixels only: every pixel's window holds all four.
    cell = SMALL.build(code("141011"), TINY).body[0]
    x = torch.tensor([[1.0, 2.0], [3.0, 6.0]]).expand(1, 4, 2, 2)
    expected = torch.tensor([[5.0, 7.0], [9.0, 15.0]]).expand(1, 4, 2, 2)
    assert torch.equal(cell(x, code("141011")), expected)


def test_an_empty_cell_gives_zeros_and_zero_gradients():
    network = build_network(SMALL, code("000000"), TINY, 0)
    inputs = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert not network.body[0](network.stem(inputs), code("000000")).any()
    network(inputs).sum().backward()
    assert not inputs.grad.any()
    assert all(p.grad is not None for p in network.parameters())
    assert not any(p.grad.any() for p in network.stem.parameters())
    assert network.head[-1].bias.grad.tolist() == [4.0] * 4  # the only thing left to learn


def test_edges_by_target_then_source():
    assert [f"{target}<-{source}" for source, target in EDGES] == ["1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2"]
