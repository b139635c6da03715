"""NAS-Bench-Macro: which codes are one network, and what each costs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from archsieve.errors import ArchitectureError, SettingError
from archsieve.networks.building import build_network
from archsieve.networks.counting import count_macs, count_params
from archsieve.spaces.contract import enumerate_space, size
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic

CIFAR = Synthetic()  # (3, 32, 32), 10 classes
TINY = Synthetic(shape=(3, 16, 16), num_outputs=4, images=20)
SPACE = NASBenchMacro()


def test_size_and_number_of_networks():
    codes = list(enumerate_space(SPACE))
    assert len(codes) == size(SPACE) == 6561
    assert len({SPACE.canonical(arch) for arch in codes}) == 3969  # 9 * 21 * 21
    assert codes.index(SPACE.parse("22212220")) == 6477


@pytest.mark.parametrize(
    ("code", "canonical"),
    [
        ("22212202", "22212220"),  # stage 3 is 202: the identity goes last
        ("22212022", "22212022"),  # here it is the first layer of stage 3, a 1x1 convolution, and stays
        ("02001101", "02010110"),  # stages 02, 001, 101
        ("10201102", "10210120"),  # stages 10, 201, 102
        ("00000000", "00000000"),
        ("11102220", "11120220"),  # stage 2 is 102, becomes 120; stage 3 is 220
        ("12121212", "12121212"),  # nothing but blocks, which do not commute
        ("21212121", "21212121"),
    ],
)
def test_identities_commute_inside_a_stage_only(code, canonical):
    assert SPACE.describe(SPACE.canonical(SPACE.parse(code))) == canonical


def test_one_network_has_one_cost():
    for arch in enumerate_space(SPACE):
        canonical = SPACE.canonical(arch)
        assert SPACE.params(canonical, CIFAR) == SPACE.params(arch, CIFAR)
        assert SPACE.macs(canonical, CIFAR) == SPACE.macs(arch, CIFAR)


def test_costs_of_the_best_network():
    arch = SPACE.parse("22212220")
    assert SPACE.params(arch, CIFAR) == 1_985_514
    assert SPACE.macs(arch, CIFAR) == 85_164_544
    with torch.device("meta"):
        network = SPACE.build(arch, CIFAR)
    assert count_params(network) == 1_985_514
    assert count_macs(network, (3, 32, 32)) == 85_164_544


def test_costs_by_hand():
    # One stage of one layer, identity; image 1x4x4, 2 classes.
    # Stem 1->2: 3*3*2 = 18 weights, 16 positions; BN 4. Layer 1x1 2->3, stride 2: 6 weights, 4 positions; BN 6.
    # Head 1x1 3->5: 15 weights, 4 positions; BN 10. Linear 5*2 + 2 = 12.
    space = NASBenchMacro(stem_width=2, widths=(3,), stages=(1,), head_width=5)
    task = Synthetic(shape=(1, 4, 4), num_outputs=2, images=10)
    assert space.params((0,), task) == 18 + 4 + 6 + 6 + 15 + 10 + 12
    assert space.macs((0,), task) == 18 * 16 + 6 * 4 + 15 * 4 + 10
    # Option 1: expansion to 6 at 16 positions, depthwise 3x3 to 4 positions, projection to 3.
    assert space.params((1,), task) == 18 + 4 + (12 + 12) + (54 + 12) + (18 + 6) + 15 + 10 + 12
    assert space.macs((1,), task) == 18 * 16 + 12 * 16 + 54 * 4 + 18 * 4 + 15 * 4 + 10


@pytest.mark.data
def test_costs_of_all_codes_are_those_of_the_table(macro_table):
    archs = macro_table.archs
    assert len(archs) == 6561
    assert [SPACE.params(a, CIFAR) for a in archs] == macro_table.columns["params"].tolist()
    assert [SPACE.macs(a, CIFAR) for a in archs] == macro_table.columns["flops"].tolist()


def test_layers():
    assert SPACE.layers() == [
        (32, 64, 2),
        (64, 64, 1),
        (64, 128, 2),
        (128, 128, 1),
        (128, 128, 1),
        (128, 256, 2),
        (256, 256, 1),
        (256, 256, 1),
    ]


def test_the_skeleton():
    network = SPACE.build(SPACE.parse("01200000"), CIFAR)
    first, block = network.choices[0]["0"], network.choices[1]["1"]
    assert (first[0].kernel_size, first[0].stride) == ((1, 1), (2, 2))
    assert [type(m).__name__ for m in first] == ["Conv2d", "BatchNorm2d"]  # no activation
    assert block.depthwise[0].kernel_size == (3, 3)
    assert block.depthwise[0].groups == block.expand[0].out_channels == 3 * 64
    assert block.has_shortcut
    third = network.choices[2]["2"]
    assert third.depthwise[0].kernel_size == (5, 5)
    assert third.expand[0].out_channels == 6 * 64
    assert not third.has_shortcut
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all(m.affine and m.track_running_stats for m in norms)


def with_blocks_moved(space, arch, canonical, state):
    """Return the state of `arch` under the names of `canonical`: each stage's blocks, in order, to their new places."""
    places, start = {}, 0
    for layers in space.stages:
        stage = range(start, start + layers)
        old = [i for i in stage if i == start or arch[i] != 0]
        new = [i for i in stage if i == start or canonical[i] != 0]
        places |= dict(zip(old, new, strict=True))
        start += layers
    moved = {}
    for name, tensor in state.items():
        part, _, rest = name.partition(".")
        if part == "choices":
            place, _, rest = rest.partition(".")
            name = f"choices.{places[int(place)]}.{rest}"
        moved[name] = tensor
    return moved


@pytest.mark.parametrize(
    ("space", "codes"),
    [
        (NASBenchMacro(stem_width=4, widths=(6, 8), stages=(2, 4), head_width=10), 40),
        (NASBenchMacro(stem_width=4, widths=(4, 6, 8), stages=(1, 3, 3), head_width=10), 20),
        (SPACE, 4),
    ],
)
def test_the_canonical_network_computes_the_same(space, codes):
    rng, inputs = np.random.default_rng(0), torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    changed = 0
    while changed < codes:
        arch = space.sample(rng)
        canonical = space.canonical(arch)
        if canonical == arch:
            continue
        changed += 1
        network, twin = build_network(space, arch, TINY, 0), build_network(space, canonical, TINY, 1)
        twin.load_state_dict(with_blocks_moved(space, arch, canonical, network.state_dict()), strict=True)
        assert torch.equal(network(inputs), twin(inputs))
        assert torch.equal(network.eval()(inputs), twin.eval()(inputs))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"widths": (64, 128)}, r"`widths` and `stages` need one number for each stage, but got widths=\(64, 128\)"),
        ({"widths": (), "stages": ()}, r"need one number for each stage, but got widths=\(\), stages=\(\)"),
        ({"stages": (2, 0, 3)}, r"must be at least 1, but got .*stages=\(2, 0, 3\)"),
        ({"stem_width": 0}, r"must be at least 1, but got .*stem_width=0"),
        ({"widths": (64, -1, 8)}, r"must be at least 1, but got .*widths=\(64, -1, 8\)"),
        ({"head_width": 0}, r"must be at least 1, but got .*head_width=0"),
    ],
)
def test_settings_that_cannot_be(given, sentence):
    with pytest.raises(SettingError, match=sentence):
        NASBenchMacro(**given)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2221222", "it has 7 decisions, the space 8"),
        ("222122201", "it has 9 decisions, the space 8"),
        ("22212223", r"decision 7 is 3, but must lie in 0\.\.2"),
        ("2221222x", "write 8 digits, e.g. '00000000'"),
        ("", "it has 0 decisions"),
    ],
)
def test_texts_that_are_no_code(text, sentence):
    with pytest.raises(ArchitectureError, match=sentence):
        SPACE.parse(text)
