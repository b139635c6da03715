"""AttentiveNAS: published integers, the notation, and networks that are what the formulae say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from archsieve.errors import ArchitectureError, SettingError
from archsieve.estimators.contract import Context
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.estimators.zero_cost.proxies.l2_norm import l2_norm
from archsieve.estimators.zero_cost.proxies.nwot import NWOTMeter
from archsieve.estimators.zero_cost.proxy import Probe
from archsieve.networks.building import build_network
from archsieve.networks.counting import count_macs, count_params
from archsieve.networks.supernets import build_supernet
from archsieve.spaces.attentivenas.network import halved_map, resized
from archsieve.spaces.attentivenas.space import AttentiveNAS
from archsieve.spaces.contract import size
from archsieve.spaces.layers.inverted_residuals import rounded
from archsieve.tasks.synthetic import Synthetic

SPACE = AttentiveNAS()
IMAGENET = Synthetic(shape=(3, 224, 224), num_outputs=1000)
NOTE = "288; 16 16 24 32 72 120 200 216 1792; 2 3 3 5 6 8 2; 5 5 5 5 5 3 5; 1 4 5 5 4 6 6"
PUBLISHED = {  # millions of multiply-adds, as their authors print them
    "192; 16 16 24 32 64 112 192 216 1792; 1 3 3 3 3 3 1; 3 3 3 3 3 3 3; 1 4 4 4 4 6 6": 203,
    "224; 16 16 24 32 64 112 192 216 1984; 1 3 3 3 3 3 1; 3 3 3 5 3 5 3; 1 4 4 4 4 6 6": 279,
    "224; 16 16 24 32 64 112 200 224 1984; 1 3 3 3 3 4 1; 3 3 3 3 3 5 3; 1 4 5 4 4 6 6": 317,
    "224; 16 16 24 32 64 112 208 224 1984; 2 3 3 4 3 5 1; 3 3 3 5 3 3 3; 1 4 4 4 4 6 6": 357,
    "256; 16 16 24 32 64 112 192 216 1984; 1 3 3 4 3 5 1; 3 3 3 5 3 5 3; 1 4 4 5 4 6 6": 444,
    "256; 16 16 24 32 72 112 192 216 1792; 1 3 3 3 4 6 1; 3 3 3 5 3 3 3; 1 4 5 4 4 6 6": 491,
    "288; 16 16 24 32 64 112 216 224 1984; 1 3 3 4 4 6 1; 3 3 3 3 3 5 3; 1 4 6 5 4 6 6": 709,
}
PARTS = {
    "stem": 8_957_952,
    "stages.0": 27_205_632,
    "stages.1": 112_140_288,
    "stages.2": 61_733_248,
    "stages.3": 91_259_136,
    "stages.4": 229_729_536,
    "stages.5": 325_782_240,
    "stages.6": 95_918_208,
    "expand": 22_674_816,
    "mix": 2_322_432,
    "classifier": 1_792_000,
}
CODES = st.integers(0, 2**32).map(lambda seed: SPACE.sample(np.random.default_rng(seed)))


def on_meta(arch, task=IMAGENET, space=SPACE):
    with torch.device("meta"):
        return space.build(arch, task)


def macs_by_module(network, shape):
    """Return the multiply-adds of every convolution and linear layer, from the shapes that pass."""
    found = {}

    def add(name, module, output):
        products = module.weight[0].numel()
        found[name] = found.get(name, 0) + products * output[0].numel()

    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(lambda m, _, output, name=name: add(name, m, output))
    network.eval()(torch.empty(1, *shape, device="meta"))
    return found


def test_the_network_of_the_note():
    arch = SPACE.parse(NOTE)
    assert SPACE.macs(arch, IMAGENET) == 979_515_488
    assert SPACE.params(arch, IMAGENET) == 17_986_104
    network = on_meta(arch)
    assert count_params(network) == 17_986_104
    assert count_macs(network, IMAGENET.input_shape) == 979_515_488
    by_module = macs_by_module(network, (3, 288, 288))
    parts = {part: sum(n for name, n in by_module.items() if f"{name}.".startswith(f"{part}.")) for part in PARTS}
    assert parts == PARTS
    kinds = [type(m).__mro__[1] for m in network.modules()]
    assert [kinds.count(k) for k in (nn.Conv2d, nn.Linear, nn.BatchNorm2d)] == [132, 1, 87]
    assert sum(hasattr(block, "squeeze") for stage in network.stages for block in stage) == 19


@pytest.mark.parametrize(("text", "millions"), list(PUBLISHED.items()), ids=[f"a{i}" for i in range(7)])
def test_the_published_networks(text, millions):
    assert round(SPACE.macs(SPACE.parse(text), IMAGENET) / 1e6) == millions


def test_the_size_and_the_ends_of_the_space():
    assert len(SPACE.choices) == 31
    assert size(SPACE) == 440_301_256_704
    assert SPACE.choices.count(1) == 3
    assert [SPACE.macs(arch, IMAGENET) for arch in SPACE.extremes] == [203_389_568, 1_939_335_808]
    assert SPACE.describe(SPACE.extremes[0]) == next(iter(PUBLISHED))


def test_costs_do_not_depend_on_the_size_of_the_input_but_on_the_outputs():
    arch = SPACE.parse(NOTE)
    small = Synthetic(shape=(3, 32, 48), num_outputs=10)
    assert SPACE.macs(arch, small) == 979_515_488 - 990 * 1792
    assert SPACE.params(arch, small) == 17_986_104 - 990 * 1793
    assert count_macs(on_meta(arch, small), small.input_shape) == SPACE.macs(arch, small)


@pytest.mark.parametrize("count", [3, pytest.param(200, marks=pytest.mark.slow)])
def test_the_closed_form_is_what_is_counted(count):
    rng = np.random.default_rng(count)
    for arch in [*SPACE.extremes, *(SPACE.sample(rng) for _ in range(count))]:
        network = on_meta(arch)
        assert SPACE.params(arch, IMAGENET) == count_params(network)
        assert SPACE.macs(arch, IMAGENET) == count_macs(network, IMAGENET.input_shape)


@given(CODES)
def test_notations_go_there_and_back(arch):
    text = SPACE.describe(arch)
    assert SPACE.parse(text) == arch
    assert SPACE.parse(text.replace(";", "").replace(" ", ", ")) == arch
    assert SPACE.parse("-".join(map(str, arch))) == arch
    assert SPACE.of_values(SPACE.values(arch)) == arch
    assert len(SPACE.values(arch)) == 31


def test_values_are_numbers_by_decision():
    arch = SPACE.parse(NOTE)
    assert SPACE.values(arch)[:10] == (288, 16, 16, 24, 32, 72, 120, 200, 216, 1792)
    assert SPACE.genes(arch).depths == (2, 3, 3, 5, 6, 8, 2)
    assert SPACE.genes(arch).kernels == (5, 5, 5, 5, 5, 3, 5)
    assert SPACE.genes(arch).expansions == (1, 4, 5, 5, 4, 6, 6)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (NOTE.replace("288", "300"), "the resolution is 300, but must be one of 192, 224, 256, 288"),
        (NOTE.replace("1792", "1800"), "the width of head is 1800, but must be one of 1792, 1984"),
        (NOTE.replace(" 72 ", " 71 "), "the width of stage 4 is 71, but must be one of 64, 72"),
        (NOTE.replace("; 2 3 3", "; 3 3 3"), "the depth of stage 1 is 3, but must be one of 1, 2"),
        (NOTE.replace("5 3 5;", "5 7 5;"), "the kernel of stage 6 is 7, but must be one of 3, 5"),
        (NOTE.replace("; 1 4", "; 2 4"), "the expansion of stage 1 is 2, but must be 1"),
        (NOTE[:-2], "it has 30 numbers, but 31 are needed, e.g. '192; 16 16 24"),
        ("", "it has 0 numbers, but 31 are needed"),
        ("big; and deep", "write resolution, widths, depths, kernels and expansions, e.g. '192; 16 16 24"),
        ("٢88", "write resolution, widths"),
        ("-".join(["4"] + ["0"] * 30), r"decision 0 is 4, but must lie in 0\.\.3"),
        ("0-0-0", "it has 3 decisions, the space 31"),
    ],
)
def test_texts_that_are_no_architecture(text, sentence):
    with pytest.raises(ArchitectureError, match=sentence):
        SPACE.parse(text)


def test_the_picture():
    blocks = SPACE.picture(SPACE.parse(NOTE)).blocks
    assert len(blocks) == 9
    assert blocks[0] == "288 pixels, 3x3, 16 channels"
    assert blocks[6] == "8 x 3x3, expansion 6, 200 channels"
    assert blocks[-1] == "1x1, 1792 channels"


def test_samples_are_uniform():
    rng = np.random.default_rng(0)
    drawn = np.array([SPACE.sample(rng) for _ in range(20_000)])
    for decision, options in enumerate(SPACE.choices):
        counts = np.bincount(drawn[:, decision], minlength=options)
        assert counts.tolist() == pytest.approx([20_000 / options] * options, rel=0.1)


def test_rounding_by_hand():
    # The nearest multiple of 8; 10 would lose a fifth at 8 and goes up; 19 to 16 loses more than a tenth.
    assert [rounded(n) for n in (1, 8, 10, 11, 12, 19, 20, 24, 36, 44, 91)] == [
        8,
        8,
        16,
        16,
        16,
        24,
        24,
        24,
        40,
        48,
        88,
    ]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"depths": ((1, 2),)}, "need one entry for each stage, and `widths` two more"),
        ({"strides": (1,) * 6}, "need one entry for each stage"),
        (
            {"resolutions": (224, 192)},
            r"The options of the resolution must ascend from 1 or more, but are \(224, 192\)",
        ),
        ({"depths": ((0, 2), *SPACE.depths[1:])}, "The options of the depth of stage 1 must ascend from 1"),
        ({"kernels": ((3, 4),) * 7}, "Kernels must be odd, widths multiples of 8"),
        ({"widths": ((15,), *SPACE.widths[1:])}, "widths multiples of 8"),
        ({"strides": (3,) * 7}, "strides 1 or 2"),
    ],
)
def test_settings_that_cannot_be(settings, sentence):
    with pytest.raises(SettingError, match=sentence):
        replace(SPACE, **settings)


def test_lists_are_settings_too():
    lists = AttentiveNAS(resolutions=[192], depths=[[1, 2], *map(list, SPACE.depths[1:])])
    assert lists == replace(SPACE, resolutions=(192,))
    assert hash(lists) == hash(replace(SPACE, resolutions=(192,)))


SMALL = AttentiveNAS(
    resolutions=(16, 20),
    widths=((8, 16), (8, 16), (16, 24), (24,), (24, 32)),
    depths=((1, 2), (1, 2), (1, 2)),
    kernels=((3, 5),) * 3,
    expansions=((1,), (2, 3), (2,)),
    strides=(1, 2, 1),
    squeezes=(False, True, False),
)
TINY = Synthetic(shape=(3, 16, 16), num_outputs=5, images=20)


def probe_of(inputs):
    return Probe(((inputs, torch.zeros(len(inputs), dtype=torch.long)),), TINY.loss, TINY.num_outputs, 0)


def pictures(count=4, side=16):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_inputs_of_another_size_are_resized():
    assert SMALL.genes(SMALL.extremes[1]).resolution == 20
    network, inputs = build_network(SMALL, SMALL.extremes[1], TINY, 0).eval(), pictures()
    seen = []
    network.stem.conv.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    outputs = network(inputs)
    expected = nn.functional.interpolate(inputs, (20, 20), mode="bicubic")
    assert torch.equal(seen[0], expected)
    assert torch.equal(network(expected), outputs)
    assert resized(inputs, 16) is inputs


def test_a_halved_map_by_hand():
    even = torch.tensor([[1.0, 3.0], [5.0, 7.0]])[None, None]
    assert halved_map(even).tolist() == [[[[4.0]]]]
    odd = torch.full((1, 1, 3, 3), 4.0)
    # A border of zeros on either side: corners have one position of four, edges two.
    assert halved_map(odd).tolist() == [[[[1.0, 2.0], [2.0, 4.0]]]]


def test_a_block_adds_its_shortcut():
    network = build_network(SMALL, SMALL.extremes[1], TINY, 0)
    block = SMALL.stages(SMALL.genes(SMALL.extremes[1]))
    for stage, shapes in zip(network.stages, block, strict=True):
        for residual, shape in zip(stage, shapes, strict=True):
            nn.init.zeros_(residual.project.norm.weight)  # then the branch is nothing
            x = torch.randn(2, shape.inputs, 8, 8)
            shortcut = halved_map(x) if shape.stride == 2 else x
            expected = shortcut if shape.inputs == shape.outputs else residual.shortcut(shortcut)
            assert torch.equal(residual(x, shape), expected)
            assert hasattr(residual, "shortcut") == (shape.inputs != shape.outputs)


def test_kernels_of_3_are_the_centre_of_kernels_of_5_and_channels_are_the_first():
    supernet = build_supernet(SMALL, TINY, 0)
    arch = SMALL.of_values((16, 8, 8, 16, 24, 24, 1, 1, 1, 3, 3, 3, 1, 2, 2))
    network = supernet.extract(arch)
    whole = supernet.stages[1][0].depthwise.conv.weight
    assert tuple(whole.shape) == (48, 1, 5, 5)
    assert torch.equal(network.stages[1][0].depthwise.conv.weight, whole[:16, :, 1:4, 1:4])
    assert torch.equal(network.stages[1][0].project.conv.weight, supernet.stages[1][0].project.conv.weight[:16, :16])
    assert [len(stage) for stage in network.stages] == [1, 1, 1]
    assert [len(stage) for stage in supernet.stages] == [2, 2, 2]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_many_paths_are_the_networks_extracted(training, layout):
    supernet = build_supernet(SMALL, TINY, 0).to(memory_format=layout)
    inputs = pictures(6).contiguous(memory_format=layout)
    rng = np.random.default_rng(0)
    with torch.no_grad():  # statistics and affine weights that tell channels apart
        for name, tensor in supernet.state_dict().items():
            if "norm" in name and tensor.dim():
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=torch.Generator().manual_seed(len(name))))
    for arch in [*SMALL.extremes, *(SMALL.sample(rng) for _ in range(30))]:
        network = supernet.train(training).extract(arch).to(memory_format=layout)
        assert torch.equal(network(inputs), supernet(inputs, arch))


def test_a_step_trains_its_path_and_nothing_else():
    supernet = build_supernet(SMALL, TINY, 0)
    smallest, _ = SMALL.extremes
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    supernet(pictures(), smallest).square().mean().backward()
    torch.optim.SGD(supernet.parameters(), lr=0.5).step()
    depthwise = supernet.stages[1][0].depthwise.conv.weight - before["stages.1.0.depthwise.conv.weight"]
    assert (depthwise[:16, :, 1:4, 1:4] != 0).all()
    depthwise[:16, :, 1:4, 1:4] = 0
    assert (depthwise == 0).all()
    norm, name = supernet.stages[1][0].depthwise.norm, "stages.1.0.depthwise.norm"
    assert (norm.running_mean[:16] != before[f"{name}.running_mean"][:16]).all()
    assert torch.equal(norm.running_mean[16:], before[f"{name}.running_mean"][16:])
    second = {name for name in before if name.startswith("stages.1.1.")}
    assert second
    assert all(torch.equal(supernet.state_dict()[name], before[name]) for name in second)


def test_the_norm_of_weights_drawn_by_fan_out_for_the_supernet():
    """2352 without the shortcut convolutions that are not needed; the printed 2663.55 counts those, too."""
    supernet, arch = build_supernet(SPACE, IMAGENET, 0), SPACE.parse(NOTE)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for module in supernet.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.normal_(0, (2 / (module.kernel_size[0] ** 2 * module.out_channels)) ** 0.5)
    network = supernet.extract(arch)
    assert l2_norm(network, None) == pytest.approx(2352.17, abs=6)
    bare = [b for stage in SPACE.stages(SPACE.genes(arch)) for b in stage if b.inputs == b.outputs]
    assert len(bare) == 23
    assert sum(b.inputs * b.outputs for b in bare) == 423_104  # the weights of those convolutions


@pytest.mark.slow
def test_the_scores_of_the_network_of_the_note_on_noise(tmp_path):
    """As they were computed on noise in batches of 16, with other weights: 106.2, and 229.2 to 236.1."""
    task = Synthetic(shape=(3, 288, 288), num_outputs=1000, images=32, test_images=1)
    nwot, zen = ZeroCost("nwot", batch_size=16, options=(("activations", "relu"),)), ZeroCost("zen", batch_size=16)
    scores = nwot.score_group([nwot, zen], [SPACE.parse(NOTE)], Context(SPACE, task, tmp_path))[0]
    assert scores[0] == pytest.approx(106.2, abs=3)
    assert scores[0] < 16 * np.log(3728)
    assert 225 < scores[1] < 240


def test_what_nwot_counts_with_relu_are_the_squeezes():
    """The diagonal of its kernel is the number of units that count: 3,728 for the network of the note."""
    blocks = [block for stage in SPACE.stages(SPACE.genes(SPACE.parse(NOTE))) for block in stage]
    assert sum(block.squeezed for block in blocks) == 3728
    network, probe = build_network(SMALL, SMALL.extremes[1], TINY, 0), probe_of(pictures(8))
    meter = NWOTMeter.of(network, probe, "relu")
    _, agreement = meter.run(network, *meter.start())
    squeezed = sum(b.squeezed for stage in SMALL.stages(SMALL.genes(SMALL.extremes[1])) for b in stage)
    assert agreement.units == squeezed > 0
    assert agreement.kernel.diagonal().tolist() == [squeezed] * 8
