"""What a proxy costs: the passes that it declares are those that it makes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.estimators.zero_cost.proxy import Probe
from archsieve.networks.counting import count_macs
from archsieve.registry import PROXIES
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic

from .test_every_proxy import ANYWHERE, SHIPPED

ITEMS, SHAPE = 6, (3, 8, 8)
CONVOLUTIONS = (torch.ops.aten.convolution, torch.ops.aten.convolution_backward)
# By hand, in forward passes of one item: a backward pass is two, by the inputs alone one.
PASSES = {
    **dict.fromkeys(("l2_norm", "trainable_layers"), 0),
    **dict.fromkeys(("nwot", "swap"), ITEMS),
    "zen": 2 * ITEMS,  # noise, and noise moved a little
    "meco": 1,  # one input
    **dict.fromkeys(("synflow", "synflow_log", "synflow_bn"), 3),  # one input, forwards and backwards
    **dict.fromkeys(("snip", "plain", "grad_norm", "fisher"), 3 * ITEMS),
    **dict.fromkeys(("jacov", "epe_nas"), 2 * ITEMS),  # backwards to the inputs
    **dict.fromkeys(("az_expressivity", "az_progressivity", "az_trainability"), 2 * ITEMS),  # to those of each block
    "zico": 2 * 3 * ITEMS,  # two batches
    "gradsign": 4 * ITEMS,  # the batch once more, for its statistics
    # Statistics, outputs, answers to single weights; backwards for each of ten classes, and once by the weights.
    "vkdnw": (1 + 1 + 1 + 10 + 2) * ITEMS,
    "wrcor": 2 * ITEMS,  # backwards to the inputs
    "lswag": (2 * 3 + 1) * ITEMS,  # two batches, and the first once more for its patterns
    "dss": 3,  # one input, forwards and backwards
    "grasp": 9 * ITEMS,  # a backward pass through a forward and a backward pass
}


class Convolutions(TorchDispatchMode):
    """Adds up the multiply-adds of convolutions, forwards and backwards."""

    macs = 0.0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        if func.overloadpacket in CONVOLUTIONS:
            self.macs += flop_registry[func.overloadpacket](*args, **(kwargs or {}), out_val=output) / 2
        return output


def network():
    """Return a network whose first layer, through which nothing goes back, weighs next to nothing."""
    blocks = [
        nn.Sequential(nn.Conv2d(12, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU()) for _ in range(6)
    ]
    stem = nn.Conv2d(3, 12, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU()
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 10)).train()


def test_every_shipped_proxy_is_here():
    assert set(PASSES) == set(SHIPPED)


@pytest.mark.parametrize("name", ANYWHERE)
def test_it_makes_the_passes_that_it_declares(name):
    assert PROXIES[name].forward_passes(ITEMS, 1000) == PASSES[name]
    torch.manual_seed(0)
    batches = tuple((torch.randn(ITEMS, *SHAPE), torch.arange(ITEMS) % 4) for _ in range(2))
    with Convolutions() as seen:
        PROXIES[name](network(), Probe(batches, functional.cross_entropy, 10))
    assert seen.macs == pytest.approx(PASSES[name] * count_macs(network(), SHAPE), rel=0.01)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_price_is_of_those_passes(name):
    task = Synthetic(shape=SHAPE, num_outputs=4, images=60)  # 54 to train on
    price = ZeroCost(name, ITEMS).price(5, NASBenchMacro(), task)
    assert price == pytest.approx((0, 5 * PASSES[name] / 3 / 54))


def test_a_batch_is_no_larger_than_the_task():
    task = Synthetic(shape=SHAPE, num_outputs=4, images=60)
    assert ZeroCost("snip", 500).price(2, NASBenchMacro(), task).scoring == pytest.approx(2)
    assert ZeroCost("zico", 40).price(2, NASBenchMacro(), task).scoring == pytest.approx(2)
    assert ZeroCost("meco", 8, options=(("inputs", 3),)).price(1, NASBenchMacro(), task).scoring == pytest.approx(
        1 / 54
    )
