"""Initial weights by name, and counting."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from archsieve.errors import SettingError
from archsieve.networks.building import build_network, check_device, initialise, laid_out, layout_on, torch_generator
from archsieve.networks.counting import count_flops, count_macs, count_params
from archsieve.networks.supernets import build_supernet
from archsieve.spaces.contract import SearchSpace
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic

MACRO = NASBenchMacro(stem_width=4, widths=(6, 8), stages=(2, 2), head_width=10)
TASK = Synthetic(shape=(3, 16, 16), num_outputs=4, images=20)


def equal(one: dict, other: dict) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


def test_a_block_has_the_same_weights_in_every_network_that_holds_it():
    one = build_network(MACRO, (1, 2, 0, 2), TASK, 3).state_dict()
    other = build_network(MACRO, (2, 2, 0, 1), TASK, 3).state_dict()
    shared = [name for name in one if name in other]
    assert {name.split(".")[0] for name in shared} == {"stem", "choices", "head"}
    assert sum(name.startswith("choices.1.2.") for name in shared) > 10
    assert not any(name.startswith(("choices.0.", "choices.3.")) for name in shared)
    assert all(torch.equal(one[name], other[name]) for name in shared)


def test_the_same_option_elsewhere_has_other_weights():
    network = build_network(MACRO, (1, 1, 1, 1), TASK, 0)
    assert not torch.equal(network.choices[1]["1"].expand[0].weight[:4], network.choices[3]["1"].expand[0].weight[:4])
    cells = build_network(NASBench201(width=4, cells=2, stages=1), (3,) * 6, TASK, 0).body
    first, second = (cell.edges[0]["3"][1].weight for cell in cells)
    assert not torch.equal(first, second)
    assert not torch.equal(first, cells[0].edges[1]["3"][1].weight)


def test_weights_do_not_depend_on_what_was_built_before():
    archs = [(1, 2, 0, 2), (0, 0, 0, 0), (2, 2, 2, 2)]
    forwards = {a: build_network(MACRO, a, TASK, 0).state_dict() for a in archs}
    torch.rand(17)
    backwards = {a: build_network(MACRO, a, TASK, 0).state_dict() for a in reversed(archs)}
    assert all(equal(forwards[a], backwards[a]) for a in archs)


def test_seeds_differ():
    one, other = (build_network(MACRO, (1, 1, 1, 1), TASK, seed) for seed in (0, 1))
    convolutions = [n for n, m in one.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(convolutions) == 1 + 4 * 3 + 2
    assert not any(torch.equal(one.get_submodule(n).weight, other.get_submodule(n).weight) for n in convolutions)


def test_every_module_draws_what_its_class_prescribes():
    network = build_network(MACRO, (1, 1, 1, 1), TASK, 0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):  # uniform within 1 / sqrt(inputs of one output)
            bound = module.weight[0].numel() ** -0.5
            assert 0.8 * bound < module.weight.abs().max() <= bound
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.tolist() == [1] * module.num_features
            assert module.running_var.tolist() == [1] * module.num_features


def test_initialise_redraws_by_name_and_leaves_what_has_no_reset():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor([2.0, 3.0]))
            self.linear = nn.Linear(3, 2)

    one, other = Scaled(), Scaled()
    assert not torch.equal(one.linear.weight, other.linear.weight)
    assert initialise(one, 0) is one
    initialise(other, 0)
    assert torch.equal(one.linear.weight, other.linear.weight)
    assert one.scale.tolist() == [2.0, 3.0]


def test_random_weights_without_reset_are_by_seed_too():
    class Token(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(torch.randn(5))

    class Space(SearchSpace):
        choices = (2,)

        def build(self, arch, task):
            return Token()

    drawn = [build_network(Space(), (0,), TASK, seed).token for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_callers_generators_are_untouched(monkeypatch):
    seeded, layer = [], nn.Linear(2, 2)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    before, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    initialise(layer, 0)
    build_network(MACRO, (1, 1, 1, 1), TASK, 0)
    build_supernet(MACRO, TASK, 0)
    torch_generator(0, "init").manual_seed(3)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numbers)  # noqa: NPY002
    assert seeded == []  # nor those of accelerators


def test_torch_generators_by_purpose_and_place():
    def draw(*key):
        return torch.rand(3, generator=torch_generator(*key)).tolist()

    assert draw(0, "noise", "zen") == draw(0, "noise", "zen")
    others = [draw(0, "noise"), draw(1, "noise", "zen"), draw(0, "init", "zen"), draw(0, "noise", "zen", 1)]
    assert draw(0, "noise", "zen") not in others


def test_networks_are_built_in_training_mode():
    assert all(m.training for m in build_network(MACRO, (0, 1, 2, 0), TASK, 0).modules())
    assert all(m.training for m in build_supernet(MACRO, TASK, 0).modules())


def test_a_space_without_supernet_says_so():
    class Plain(SearchSpace):
        choices = (2,)

        def build(self, arch, task):
            raise NotImplementedError

    with pytest.raises(SettingError, match=r"The space Plain has no supernet: give it a method supernet\(task\)"):
        build_supernet(Plain(), TASK, 0)


def tiny_network():
    """Image (2, 6, 6). Convolution 2->3, 3x3, stride 2, pad 1, bias: (3, 3, 3). BN. ReLU. Pool 2, stride 1: 2x2."""
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2, stride=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(3, 5),
    )


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_counts_by_hand(device):
    network = tiny_network().to(device)
    # Weights 2*9*3 + 3 = 57; BN 6; linear 3*5 + 5 = 20.
    assert count_params(network) == 57 + 6 + 20
    # 2*9 products for each of 3*9 outputs; 3*5.
    assert count_macs(network, (2, 6, 6)) == 18 * 27 + 15
    # BN 2 for each of 27, ReLU 1 for each of 27, pooling 4 for each of 3*4, and for the adaptive pooling of 2x2 maps a
    # window of 3x3 for each of 3.
    assert count_flops(network, (2, 6, 6)) == 18 * 27 + 15 + 54 + 27 + 48 + 27


def test_a_normalisation_without_parameters_counts_half_of_one_with():
    with_parameters, without = (nn.Sequential(nn.BatchNorm2d(3, affine=affine)) for affine in (True, False))
    assert (count_flops(with_parameters, (3, 4, 5)), count_flops(without, (3, 4, 5))) == (2 * 60, 60)


def test_a_shared_layer_counts_once_as_weights_and_twice_as_work():
    layer = nn.Linear(3, 3, bias=False)
    network = nn.Sequential(layer, layer)
    assert count_params(network) == 9
    assert count_macs(network, (3,)) == 18


def test_grouped_convolutions_count_their_group():
    network = nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False)
    assert count_macs(network, (4, 5, 5)) == 9 * 4 * 25


def test_counting_leaves_the_network_alone():
    network = tiny_network().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    count_flops(network, (2, 6, 6))
    assert equal(before, network.state_dict())
    assert network.training
    assert not any(m._forward_hooks for m in network.modules())
    assert count_macs(network.eval(), (2, 6, 6)) == 18 * 27 + 15
    assert not network.training


def test_devices_that_are_not_here():
    check_device("cpu")
    for device in ("cuda:99", "nonsense"):
        with pytest.raises(SettingError, match=f"The device '{device}' cannot be used here: "):
            check_device(device)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_channels_come_first_on_an_accelerator(device):
    """There, torch's gradient of a padded average pooling is wrong where they come last."""
    assert layout_on(device) == layout_on(torch.device(device)) == torch.contiguous_format


def test_channels_come_last_on_a_cpu():
    network = laid_out(build_network(MACRO, (1, 2, 0, 1), TASK, 0), "cpu")
    kernels = [weight for weight in network.parameters() if weight.dim() == 4]
    assert kernels
    assert all(weight.is_contiguous(memory_format=layout_on("cpu")) for weight in kernels)
