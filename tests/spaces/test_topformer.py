"""TopFormer's family: published networks and counts, the network itself, and which codes are one network."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from archsieve.errors import ArchitectureError, SettingError
from archsieve.estimators.contract import Context
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.networks.building import build_network
from archsieve.networks.counting import count_macs, count_params
from archsieve.networks.drop_path import set_drop_path
from archsieve.networks.generators import drawing
from archsieve.networks.supernets import build_supernet
from archsieve.registry import ESTIMATORS
from archsieve.spaces.contract import size
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.topformer.layout import TransformerBlock
from archsieve.spaces.topformer.network import Attention
from archsieve.spaces.topformer.space import FAMILIES, HandMadeTopFormers, TopFormer
from archsieve.tasks.synthetic import Synthetic
from archsieve.tasks.synthetic_segmentation import SyntheticSegmentation

ADE = Synthetic(shape=(3, 512, 512), num_outputs=150, images=10)
HAND_MADE = HandMadeTopFormers()
FOUND = {
    "base": "width=16-16-24-72-128-176 depth=1-1-2-2-4 kernel_size=5-3-3-3-3 expand_ratio=1-4-2-2-5 "
    "num_heads=10-8-12-4 key_dim=18-16-16-16 attn_ratio=1.6-2.2-1.8-2.0 mlp_ratio=2.2-2.2-1.6-2.0 "
    "transformer_depth=2-1-2-2",
    "small": "width=16-16-16-48-96-136 depth=2-2-1-3-4 kernel_size=5-3-5-3-3 expand_ratio=1-3-3-2-6 "
    "num_heads=6-4-4-8 key_dim=16-14-16-14 attn_ratio=1.6-1.8-1.8-1.8 mlp_ratio=2.2-1.8-2.0-1.8 "
    "transformer_depth=2-1-2-2",
    "tiny": "width=16-16-24-32-56-104 depth=1-1-1-3-3 kernel_size=3-3-5-3-5 expand_ratio=1-3-2-2-6 "
    "num_heads=6-10-4-10 key_dim=18-16-18-14 attn_ratio=1.8-2.0-1.6-1.8 mlp_ratio=2.4-2.0-2.2-1.8 "
    "transformer_depth=1-2-2-2",
}
NETWORKS = {
    **{f"found-{family}": (TopFormer(family), FOUND[family]) for family in FOUND},
    **{f"hand-made-{family}": (HAND_MADE, family) for family in FAMILIES},
}
# Computed from the published configurations in three independent ways: convolutions' MACs, biases, ReLU outputs.
PUBLISHED = {
    "found-base": (1_774_523_392, 967_680, 14_499_328),
    "found-small": (1_163_491_456, 875_648, 14_052_480),
    "found-tiny": (570_233_088, 813_312, 9_715_200),
    "hand-made-base": (1_745_911_808, 811_008, 19_120_128),
    "hand-made-small": (1_107_578_880, 765_952, 16_228_352),
    "hand-made-tiny": (530_964_480, 720_896, 13_041_664),
}
TOTALS = {
    "found-base": 1_789_990_400,
    "found-small": 1_178_419_584,
    "found-tiny": 580_761_600,
    "hand-made-base": 1_765_842_944,
    "hand-made-small": 1_124_573_184,
    "hand-made-tiny": 544_727_040,
}
PARAMS = {
    "found-base": 8_414_038,
    "found-small": 4_615_710,
    "found-tiny": 2_930_910,
    "hand-made-base": 5_062_646,
    "hand-made-small": 3_034_662,
    "hand-made-tiny": 1_389_654,
}
PARTS = {
    "found-base": (28_311_552, 760_057_856, 427_525_120, 132_907_008, 425_721_856),
    "found-small": (28_311_552, 577_490_944, 218_540_160, 70_189_056, 268_959_744),
    "found-tiny": (28_311_552, 277_786_624, 154_296_576, 30_670_848, 79_167_488),
}


def meta(space, arch, task=ADE):
    with torch.device("meta"):
        return space.build(arch, task)


def counted(network, shape):
    """Return by part of the network [MACs of convolutions, biased elements, outputs of ReLUs], by hooks."""
    found = {}

    def add(name, module, output):
        row = found.setdefault(name.partition(".")[0], [0, 0, 0])
        if isinstance(module, nn.Conv2d):
            row[0] += output.numel() * module.weight[0].numel()
            row[1] += output.numel() * (module.bias is not None)
        else:
            row[2] += output.numel()

    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.ReLU | nn.ReLU6):
            module.register_forward_hook(lambda m, _, output, name=name: add(name, m, output))
    network.eval()(torch.zeros(1, *shape, device="meta"))
    return found


@pytest.mark.parametrize("name", list(NETWORKS))
def test_published_networks(name):
    space, text = NETWORKS[name]
    arch = space.parse(text)
    assert space.describe(arch) == text
    assert space.canonical(arch) == arch
    assert space.published_flops(arch, ADE) == sum(PUBLISHED[name]) == TOTALS[name]
    network = meta(space, arch)
    assert space.params(arch, ADE) == count_params(network) == PARAMS[name]
    assert space.macs(arch, ADE) == count_macs(network, ADE.input_shape)
    assert tuple(np.sum(list(counted(network, ADE.input_shape).values()), axis=0)) == PUBLISHED[name]


def test_published_figures():
    printed = [f"{TopFormer(f).published_flops(TopFormer(f).parse(FOUND[f]), ADE) / 1e9:.2f}" for f in FOUND]
    assert printed == ["1.79", "1.18", "0.58"]
    assert [TopFormer(f).macs(TopFormer(f).parse(FOUND[f]), ADE) for f in FOUND] == [
        1_785_861_120,
        1_170_143_360,
        580_096_256,
    ]
    at_448 = Synthetic(shape=(3, 448, 448), num_outputs=150, images=10)
    assert HAND_MADE.published_flops(HAND_MADE.parse("tiny"), at_448) == 417_056_640
    # TopFormer prints 1.8, 1.2, 0.6 G and 5.1, 3.1, 1.4 M: all rounded up.
    up = [math.ceil(HAND_MADE.published_flops((i,), ADE) / 1e8) / 10 for i in range(3)]
    assert up == [1.8, 1.2, 0.6]
    assert [math.ceil(HAND_MADE.params((i,), ADE) / 1e5) / 10 for i in range(3)] == [5.1, 3.1, 1.4]


@pytest.mark.parametrize("name", list(PARTS))
def test_cost_by_part(name):
    space, text = NETWORKS[name]
    parts = counted(meta(space, space.parse(text)), ADE.input_shape)
    assert tuple(parts[p][0] for p in ("stem", "stages", "transformer", "injections", "head")) == PARTS[name]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(3, 512, 512), (3, 33, 65), (1, 100, 71)])
def test_closed_form_is_what_is_counted(family, shape):
    space, task = TopFormer(family), Synthetic(shape=shape, num_outputs=5, images=10)
    arch = space.sample(np.random.default_rng(shape[-1]))  # another one for each shape
    network = meta(space, arch, task)
    assert space.params(arch, task) == count_params(network)
    assert space.macs(arch, task) == count_macs(network, shape)
    assert space.published_flops(arch, task) == np.sum(list(counted(network, shape).values()))


def test_the_published_count_is_an_estimator(tmp_path):
    space = TopFormer("tiny")
    arch = space.parse(FOUND["tiny"])
    assert ESTIMATORS["published_flops"]().score([arch], Context(space, ADE, tmp_path)).tolist() == [580_761_600]
    with pytest.raises(SettingError, match='nasbench201 has no `published_flops` of its own: use "macs"'):
        ESTIMATORS["published_flops"]().score([(0,) * 6], Context(NASBench201(), ADE, tmp_path))


def test_size_and_widths():
    for family, widths in (("base", (24, 32, 40, 48)), ("small", (16, 24, 32, 40)), ("tiny", (8, 16, 24, 32))):
        space = TopFormer(family)
        assert size(space) == 815_372_697_600_000_000
        assert len(space.choices) == 38
        assert space.options["width"][2] == widths
        assert space.options["width"][:2] == ((16,), (16,))


def test_the_skeleton():
    space = TopFormer("base")
    network = space.build(space.parse(FOUND["base"]), Synthetic(shape=(3, 64, 64), num_outputs=9, images=10))
    assert [len(stage) for stage in network.stages] == [1, 1, 2, 2, 4]
    assert [stage[0].depthwise.conv.stride[0] for stage in network.stages] == [1, 2, 2, 2, 2]
    assert [stage[0].depthwise.conv.kernel_size[0] for stage in network.stages] == [5, 3, 3, 3, 3]
    assert not hasattr(network.stages[0][0], "expand")
    assert [len(group) for group in network.transformer] == [2, 1, 2, 2]
    assert [block.drop_path.share for group in network.transformer for block in group[:1]] == [0, 1 / 3, 2 / 3, 1]
    blocks = [network.transformer[0][1], *(group[0] for group in network.transformer)]
    assert [b.attention.key.conv.outputs for b in blocks] == [(18,) * 10, (18,) * 10, (16,) * 8, (16,) * 12, (16,) * 4]
    # int(1.6 * 18) = 28, int(2.2 * 16) = 35, int(1.8 * 16) = 28, int(2.0 * 16) = 32
    assert [b.attention.value.conv.out_channels for b in blocks] == [280, 280, 280, 336, 128]
    assert [b.mlp.expand.conv.out_channels for b in blocks] == [880, 880, 880, 640, 800]
    assert blocks[0].mlp.depthwise.bias is not None
    assert [i.local.conv.in_channels for i in network.injections] == [72, 128, 176]
    assert {i.local.conv.out_channels for i in network.injections} == {256}
    assert network.head.fuse[0].groups == 1
    blocks = space.picture(space.parse(FOUND["base"])).blocks
    assert len(blocks) == 10 + 7
    assert (blocks[0], blocks[-1]) == ("5x5, expansion 1, 16 channels", "4 heads of 16 and 32 channels, MLP 800")
    tiny = TopFormer("tiny")
    assert tiny.build(tiny.parse(FOUND["tiny"]), ADE).head.fuse[0].groups == 128


def attention_of(scale, weight):
    """Return attention of one head over channels of one scale, with these weights everywhere, and how to call it."""
    block = TransformerBlock(num_heads=1, key_dim=scale, attn_tenths=10, mlp_tenths=10)
    attention = Attention((scale,), block).eval()
    with torch.no_grad():
        for part in (attention.query, attention.key, attention.value, attention.project):
            part.conv.weight.copy_(weight)
        attention.project.norm.weight.fill_(1)
    return lambda x: attention(x, (scale,), block)


def test_attention_by_hand():
    x = torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]])[None]  # two positions: (1, 0) and (0, 2)
    outputs = attention_of(2, torch.eye(2)[:, :, None, None])(x)
    # Products of the positions: 1 and 0 for the first, 0 and 4 for the second; nothing divides them.
    first, second = math.exp(1) / (math.exp(1) + 1), math.exp(4) / (math.exp(4) + 1)
    expected = torch.tensor([[[first, 1 - second]], [[2 * (1 - first), 2 * second]]])[None]
    assert torch.allclose(outputs, expected, rtol=1e-4)  # BN divides by the root of 1 + 1e-5


def test_values_beyond_six_are_clipped_before_the_projection():
    attention = attention_of(1, torch.ones(1, 1, 1, 1))
    assert attention(torch.full((1, 1, 1, 1), 50.0)).item() == pytest.approx(6, rel=1e-4)
    assert attention(torch.full((1, 1, 1, 1), -50.0)).item() == pytest.approx(0, abs=1e-4)


def test_a_new_transformer_gathers_nothing():
    task = Synthetic(shape=(3, 32, 32), num_outputs=4, images=10)
    network = build_network(TopFormer("tiny"), (0,) * 38, task, 3)
    scales = network.layout.scales
    for group, (shape,) in zip(network.transformer, network.layout.groups, strict=True):
        attention, mlp = group[0].attention, group[0].mlp
        assert not attention.project.norm.weight.any()
        assert bool((mlp.project.norm.weight == 1).all())
        assert not attention(torch.randn(2, sum(scales), 2, 2), scales, shape).any()
    assert bool((network.stem.norm.weight == 1).all())


@pytest.mark.parametrize("shape", [(512, 512), (33, 97), (65, 40), (1, 7)])
def test_outputs_have_the_size_of_the_input(shape):
    task = Synthetic(shape=(3, 64, 64), num_outputs=5, images=10)
    network = build_network(HAND_MADE, HAND_MADE.parse("tiny"), task, 0).eval()
    with torch.no_grad():
        outputs = network(torch.randn(1, 3, *shape, generator=torch.Generator().manual_seed(0)))
    assert outputs.shape == (1, 5, *shape)
    assert bool(outputs.isfinite().all())


def test_every_pixel_is_judged_by_its_surroundings():
    # Moving the picture by the coarsest stride moves the answer: what is far left reaches far right by the tokens only.
    network = build_network(HAND_MADE, (2,), Synthetic(shape=(3, 128, 128), num_outputs=3, images=10), 0).eval()
    with torch.no_grad():
        for group in network.transformer:
            group[0].attention.project.norm.weight.fill_(1)
        picture = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
        changed = picture.clone()
        changed[..., :8] += 3
        moved = (network(picture) - network(changed)).abs().amax((0, 1, 2))
    assert float(moved[-8:].min()) > 0


def test_groups_that_are_one_run_of_blocks_are_one_network():
    space = TopFormer("tiny")
    values = dict(pair.split("=") for pair in FOUND["tiny"].split())

    def code(heads, depth):
        given = {**values, "num_heads": heads, "key_dim": "16-16-16-16", "attn_ratio": "1.8-1.8-1.8-1.8"}
        given |= {"mlp_ratio": "2.0-2.0-2.0-2.0", "transformer_depth": depth}
        return space.parse(" ".join(f"{key}={value}" for key, value in given.items()))

    same = [code("4-4-6-8", "1-1-2-1"), code("4-6-6-8", "2-1-1-1")]  # heads 4 4 6 6 8
    assert space.layout(same[0]) == space.layout(same[1])
    assert {space.canonical(arch) for arch in same} == {same[0]}
    small = Synthetic(shape=(3, 64, 64), num_outputs=4, images=10)
    one, other = (build_network(space, arch, small, 0).state_dict() for arch in same)
    assert list(one) == list(other)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert space.canonical(code("4-4-4-4", "2-1-2-1")) == code("4-4-4-4", "1-1-2-2")
    other = code("4-4-6-8", "1-2-1-1")  # 4 4 4 6 8
    assert space.canonical(other) == other
    assert space.canonical(code("4-4-6-8", "2-1-1-1")) == other


def runs_of(space, arch):
    """Return the transformer's blocks in order, by the values of the code alone."""
    values = space.values(arch)
    *settings, depths = (
        values[key] for key in ("num_heads", "key_dim", "attn_ratio", "mlp_ratio", "transformer_depth")
    )
    return [group for group, depth in zip(zip(*settings, strict=True), depths, strict=True) for _ in range(depth)]


def shrunken(rng):
    """Return a code whose groups are often equal: three settings at random, with all depths."""
    space = TopFormer("tiny")
    arch = list(space.sample(rng))
    for group in range(1, 4):
        if rng.random() < 0.6:
            for gene in range(4):
                start = 38 - 20 + 4 * gene
                arch[start + group] = arch[start + group - 1]
    return space, tuple(arch)


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=50)
def test_the_canonical_code_has_the_same_blocks_and_is_the_first(seed):
    rng = np.random.default_rng(seed)
    space, arch = shrunken(rng)
    canonical = space.canonical(arch)
    assert space.layout(canonical) == space.layout(arch)
    assert runs_of(space, canonical) == runs_of(space, arch)
    assert canonical <= arch
    start = 38 - 4
    for depths in np.ndindex(2, 2, 2, 2):  # other cuts of the same settings
        twin = (*arch[:start], *depths)
        assert (space.canonical(twin) == canonical) == (runs_of(space, twin) == runs_of(space, arch))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (FOUND["base"], r"width\[3\] must be one of 24, 32, 40, 48, but is '72'"),
        (FOUND["tiny"].replace("key_dim=", "key_dims="), "lacks key_dim"),
        (FOUND["tiny"] + " heads=3", "There is no key 'heads'"),
        (FOUND["tiny"].replace("=1-2-2-2", "=1-2-2"), "transformer_depth needs 4 values, but got 3"),
        (FOUND["tiny"].replace("mlp_ratio=2.4", "mlp_ratio=2.40"), r"mlp_ratio\[0\] must be one of 1.6, 1.8"),
        (FOUND["tiny"].replace("=1-3-2-2-6", "=6-3-2-2-6"), r"expand_ratio\[0\] must be one of 1, but is '6'"),
        (FOUND["tiny"] + " depth=1-1-1-3-3", "once a key"),
        (FOUND["tiny"].replace("depth=1", "depth:1", 1), "must be written as key=value-value"),
        ("0" * 37, "it has 37 decisions, the space 38"),
    ],
)
def test_texts_that_are_no_code(text, sentence):
    with pytest.raises(ArchitectureError, match=sentence):
        TopFormer("tiny").parse(text)


def test_a_code_can_be_written_as_digits():
    space = TopFormer("tiny")
    arch = space.parse(FOUND["tiny"])
    assert space.parse("".join(map(str, arch))) == space.parse("-".join(map(str, arch))) == arch
    assert [HAND_MADE.parse(str(i)) for i in range(3)] == [HAND_MADE.parse(f) for f in FAMILIES]


def test_families_that_are_none():
    with pytest.raises(SettingError, match=r"There is no family 'smal'\. Did you mean 'small'"):
        TopFormer("smal")


PIXELS = Synthetic(shape=(3, 96, 65), num_outputs=4, images=10)  # four tokens


def pictures(count=3):
    return torch.randn(count, *PIXELS.input_shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def supernet():
    """A supernet whose channels and statistics all differ, and whose attention gathers something."""
    found = build_supernet(TopFormer("tiny"), PIXELS, 0)
    with torch.no_grad():
        for name, tensor in found.state_dict().items():
            if ".norm." in name and tensor.dim():
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=torch.Generator().manual_seed(len(name))))
    return found


@pytest.mark.parametrize("training", [True, False])
def test_many_paths_are_the_networks_extracted(supernet, training):
    space, rng, inputs = TopFormer("tiny"), np.random.default_rng(0), pictures()
    archs = [*space.extremes, space.parse(FOUND["tiny"]), *(space.sample(rng) for _ in range(8))]
    for arch in archs:
        network = supernet.train(training).extract(arch)
        set_drop_path(supernet, 0.3)
        set_drop_path(network, 0.3)
        with drawing(0):  # the same dropout, and drop path
            expected = network(inputs)
        with drawing(0):
            assert torch.equal(supernet(inputs, arch), expected)
        assert bool((expected.std(0) > 0).any())


def test_what_a_part_has_of_scales_and_heads(supernet):
    space = TopFormer("tiny")
    arch = space.parse(FOUND["tiny"])
    network = supernet.extract(arch)
    assert supernet.layout.scales == (32, 48, 80, 112)
    assert network.layout.scales == (24, 32, 56, 104)
    tokens = [*range(24), *range(32, 64), *range(80, 136), *range(160, 264)]
    # The second group: 10 heads of 16 keys, and of 32 values; in the supernet 12 of 18 and of 39.
    keys = [18 * head + k for head in range(10) for k in range(16)]
    values = [39 * head + k for head in range(10) for k in range(32)]
    whole, part = (net.transformer[1][1].attention for net in (supernet, network))
    for name, rows in (("query", keys), ("key", keys), ("value", values)):
        held = getattr(whole, name).conv.weight
        assert torch.equal(getattr(part, name).conv.weight, held[rows][:, tokens])
    assert torch.equal(part.project.conv.weight, whole.project.conv.weight[tokens][:, values])
    assert torch.equal(part.project.norm.weight, whole.project.norm.weight[tokens])
    hidden = range(int(2.0 * 216))
    whole, part = (net.transformer[1][1].mlp for net in (supernet, network))
    assert torch.equal(part.expand.conv.weight, whole.expand.conv.weight[hidden][:, tokens])
    assert torch.equal(part.depthwise.bias, whole.depthwise.bias[hidden])
    assert [len(group) for group in network.transformer] == [1, 2, 2, 2]


def test_a_step_trains_its_path_and_nothing_else(supernet):
    space = TopFormer("tiny")
    smallest, _ = space.extremes
    set_drop_path(supernet, 0.0)
    supernet.train().zero_grad()
    with drawing(0):
        supernet(pictures(), smallest).square().mean().backward()
    alone = supernet.extract(smallest)
    with drawing(0):
        alone(pictures()).square().mean().backward()
    # As many weights move as the small network has; every one of those does, but for what a clip keeps still.
    moved = sum(int((p.grad != 0).sum()) for p in supernet.parameters() if p.grad is not None)
    assert moved == sum(int((p.grad != 0).sum()) for p in alone.parameters())
    assert moved > 0.9 * count_params(alone)


def test_a_supernet_is_trained_and_scores_its_parts(tmp_path):
    space = TopFormer("tiny")
    task = SyntheticSegmentation(side=32, images=24, test_images=4)
    estimator = OneShot(epochs=1, batch_size=6, sampling="sandwich", random_paths=1, distillation=True)
    ctx = Context(space, task, tmp_path)
    estimator.fit([], ctx, None)
    archs = [*space.extremes, space.parse(FOUND["tiny"])]
    scores = estimator.score(archs, ctx)
    assert np.isfinite(scores).all()
    assert estimator.score(archs[::-1], ctx).tolist() == scores[::-1].tolist()
