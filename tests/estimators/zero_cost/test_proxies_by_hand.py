"""Every proxy on networks small enough for paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.proxy import Probe
from archsieve.registry import PROXIES
from estimators.tiny import half_square, linear, probe

ROOT2 = math.sqrt(2)


def one_layer():
    """W = (2, -1); x = (1, 3), target 1: output -1, loss 2, dL/do = -2, g = (-2, -6), H = x x^T."""
    return linear([[2, -1]]), probe([[1, 3]], [[1.0]])


def two_layers():
    """W1 = ((1, -2), (3, 1)), ReLU, W2 = (2, -1); x = (1, 1), target -2.

    z = (-1, 4), h = (0, 4), output -4, dL/do = -2. g2 = -2 h = (0, -8); dL/dh = -2 W2 = (-4, 2), dL/dz = (0, 2),
    g1 = ((0, 0), (2, 2)).
    """
    network = nn.Sequential(linear([[1, -2], [3, 1]]), nn.ReLU(), linear([[2, -1]]))
    return network, probe([[1, 1]], [[-2.0]])


# grasp on one layer: Hg = x (x . g) = -20 (1, 3); -W . Hg = -(-40 + 60).
# grasp on two: the live weights are v = W2[1] = -1 and (a, b) = W1[1] = (3, 1), output v (a + b). By (v, a, b) the
# gradient of the output is (4, -1, -1), g = -2 times that = (-8, 2, 2), and H = grad grad^T - 2 (second derivatives,
# 1 at (v, a) and (v, b)) = ((16, -6, -6), (-6, 1, 1), (-6, 1, 1)), so Hg = (-152, 52, 52) and W . Hg = 152 + 208.
# fisher on one layer: s = -1 * -2 = 2, half its square is 2, times 2 weights. On two: s of layer 1 is z dL/dz = (0, 8),
# 32 * 2 weights; of layer 2, -4 * -2 = 8, 32 * 2.
@pytest.mark.parametrize(
    ("name", "one", "two"),
    [
        ("l2_norm", math.sqrt(5), math.sqrt(15) + math.sqrt(5)),
        ("grad_norm", math.sqrt(40), math.sqrt(8) + 8),
        ("snip", 4 + 6, 6 + 2 + 8),
        ("plain", -4 + 6, 6 + 2 + 8),
        ("grasp", -20, -360),
        ("fisher", 4, 64 + 64),
        ("synflow", 3, 10 + 10),  # |W| and ones: 2 + 1; (1 + 2) * 2 + (3 + 1) * 1, once a layer
        ("synflow_bn", 3, 10 + 10),  # no BN, no difference
        ("synflow_log", math.log(3), math.log(20)),
    ],
)
def test_by_hand(name, one, two):
    assert PROXIES[name](*one_layer()) == pytest.approx(one, rel=1e-6)
    assert PROXIES[name](*two_layers()) == pytest.approx(two, rel=1e-6)


def test_the_loss_is_a_mean_over_the_batch():
    # Inputs (1, 3) and (1, 1), targets 1 and 3: outputs -1 and 1, errors -2 and -2, g = -(x1 + x2) = (-2, -4).
    network, data = linear([[2, -1]]), probe([[1, 3], [1, 1]], [[1.0], [3.0]])
    assert PROXIES["grad_norm"](network, data) == pytest.approx(math.sqrt(20))
    assert PROXIES["snip"](network, data) == pytest.approx(4 + 4)
    assert PROXIES["plain"](network, data) == pytest.approx(-4 + 4)
    # fisher: a = -1, 1; d = -1, -1; s = 1, -1; half the mean square is 1/2, times 2 weights.
    assert PROXIES["fisher"](network, data) == pytest.approx(1)


def test_biases_are_not_counted_but_used():
    # z = (-1 + 5, 4 + 0) = (4, 4), output 2 * 4 - 4 + 1 = 5, target 3: dL/do = 2, g2 = (8, 8), dL/dz = (4, -2).
    network = nn.Sequential(linear([[1, -2], [3, 1]], [5, 0]), nn.ReLU(), linear([[2, -1]], [1]))
    data = probe([[1, 1]], [[3.0]])
    assert PROXIES["grad_norm"](network, data) == pytest.approx(math.sqrt(128) + math.sqrt(16 + 16 + 4 + 4))
    assert PROXIES["snip"](network, data) == pytest.approx(16 + 8 + 4 + 8 + 6 + 2)
    assert PROXIES["l2_norm"](network, data) == pytest.approx(math.sqrt(15) + math.sqrt(5))
    # synflow: z = (1 + 2 + 5, 3 + 1) = (8, 4); layer 2 carries 2 * 8 + 4 = 20, layer 1's weights 2 * 3 + 4 = 10.
    assert PROXIES["synflow"](network, data) == pytest.approx(30)


def test_fisher_sums_positions_before_squaring():
    # A 1x1 convolution by 2 of (1, 3): a = (2, 6); the loss is the mean square of the sum, (8)^2 / 2, so d = (8, 8),
    # s = 16 + 48 = 64; half its square, times the one weight.
    layer = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(layer.weight, 2)
    network = nn.Sequential(layer, nn.Flatten(), linear([[1, 1]]))
    network[2].requires_grad_(False)
    data = probe(torch.tensor([[[[1.0, 3.0]]]]), [[0.0]])
    # The linear layer: a = 8, d = 8, s = 64; half its square, times its two weights.
    assert PROXIES["fisher"](network, data) == pytest.approx(2048 + 2 * 2048)


def test_fisher_finds_the_channels_of_linear_layers_on_tokens():
    # Two tokens of two features, W = identity; the loss is half the square of the sum of all outputs, 1+2+3+4 = 10, so
    # d = 10 everywhere. By feature: s = 10 (1 + 3), 10 (2 + 4); half the squares, 800 + 1800, times 2 weights each.
    class Total(nn.Module):
        def forward(self, inputs):
            return inputs.flatten(1).sum(1, keepdim=True)

    network = nn.Sequential(linear([[1, 0], [0, 1]]), Total())
    assert PROXIES["fisher"](network, probe([[[1, 2], [3, 4]]], [[0.0]])) == pytest.approx(5200)


def test_fisher_weighs_a_grouped_channel_by_its_own_weights():
    # Two channels, each 1x1 of its own: a = (2 * 1, 3 * 1), loss half the square of their sum 5, d = 5, s = 10, 15;
    # half the squares 50 + 112.5, one weight each. Then the linear layer (1, 1): a = d = 5, s = 25, 312.5 * 2.
    layer = nn.Conv2d(2, 2, 1, groups=2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([2.0, 3.0]).view(2, 1, 1, 1))
    network = nn.Sequential(layer, nn.Flatten(), linear([[1, 1]]))
    assert PROXIES["fisher"](network, probe(torch.ones(1, 2, 1, 1), [[0.0]])) == pytest.approx(162.5 + 625)


def test_synflow_leaves_normalisation_out():
    norm = nn.BatchNorm1d(2)
    nn.init.constant_(norm.weight, -7)
    nn.init.constant_(norm.running_var, 9)
    network = nn.Sequential(linear([[1, -2], [3, 1]]), norm, nn.ReLU(), linear([[2, -1]]))
    assert PROXIES["synflow"](network, probe([[0, 0]], [[0.0]])) == pytest.approx(20)


def test_synflow_bn_normalises_the_input_of_ones():
    # Convolution (-1, 1, 1), padded, of three ones; in absolute values z = (2, 3, 2), mean 7/3, sd sqrt(2)/3, so
    # n = (-1, 2, -1) / sqrt(2). Linear (1, -2, 2) becomes w = (1, 2, 2): sum |w n| = 7 / sqrt(2).
    # dR/dz = (w - mean w - n mean(w n)) / sd, with mean(w n) = 1 / (3 sqrt(2)): (-1/2, 0, 1/2) * 3 / sqrt(2).
    # By kernel place: left sees the last two z, 3 / (2 sqrt(2)); middle 0; right the first two, -3 / (2 sqrt(2)).
    convolution = nn.Conv1d(1, 1, 3, padding=1, bias=False)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([[[-1.0, 1.0, 1.0]]]))
    network = nn.Sequential(convolution, nn.BatchNorm1d(1, eps=1e-12), nn.Flatten(), linear([[1, -2, 2]]))
    score = PROXIES["synflow_bn"](network, probe(torch.zeros(5, 1, 3), [[0.0]] * 5))
    assert score == pytest.approx(7 / ROOT2 + 3 / ROOT2)


def test_synflow_bn_says_why_not():
    network = nn.Sequential(linear([[1, 1]]), nn.BatchNorm1d(1), linear([[1]]))
    with pytest.raises(ScoringError, match="synflow_bn normalises a single input, which this network does not allow"):
        PROXIES["synflow_bn"](network, probe([[0, 0]], [[0.0]]))


def test_synflow_is_finite_where_single_precision_overflows():
    def deep():
        return nn.Sequential(*(linear([[1e5]]) for _ in range(10)))

    data = probe([[0]], [[0.0]])
    assert PROXIES["synflow"](deep(), data) == pytest.approx(10 * 1e50)  # float32 ends at 3.4e38
    assert PROXIES["synflow_log"](deep(), data) == pytest.approx(51 * math.log(10))


def test_synflow_takes_masks_as_they_are():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = linear([[2, -1], [1, 1]])
            self.register_buffer("mask", torch.tensor([True, False]))

        def forward(self, inputs):
            return self.linear(inputs) * self.mask

    assert PROXIES["synflow"](Masked(), probe([[0, 0]], [[0.0]])) == pytest.approx(3)


@pytest.mark.parametrize(
    ("layers", "inputs", "score"),
    [
        # Codes (1, 0) and (0, 1): each input agrees with itself on 2 units, with the other on none. det = 4.
        ([linear([[1], [-1]]), nn.ReLU()], [[1], [-1]], math.log(4)),
        # Codes (0, 0), (1, 0), (1, 1): K = ((2, 1, 0), (1, 2, 1), (0, 1, 2)), det = 2 * 3 - 2 = 4.
        ([linear([[1], [1]], [0, -1.5]), nn.ReLU()], [[-1], [1], [2]], math.log(4)),
        # The same, twice: the second ReLU sees what is on and off alike, K doubles, det = 4 * 2^3.
        ([linear([[1], [1]], [0, -1.5]), nn.ReLU(), nn.ReLU(inplace=True)], [[-1], [1], [2]], math.log(32)),
        ([linear([[1], [1]], [0, -1.5]), nn.ReLU6(inplace=True)], [[-1], [1], [2]], math.log(4)),
        # Inputs 1 and 2 switch every unit alike.
        ([linear([[1], [-1]]), nn.ReLU()], [[1], [2]], -math.inf),
        ([linear([[1], [-1], [1]], [0, 0, -1.5]), nn.ReLU()], [[3], [-1], [1], [2], [-2]], -math.inf),
    ],
)
def test_nwot_by_hand(layers, inputs, score):
    assert PROXIES["nwot"](nn.Sequential(*layers), probe(inputs, inputs)) == pytest.approx(score)


def test_nwot_counts_every_call_of_a_module():
    relu = nn.ReLU()
    network = nn.Sequential(linear([[1], [1]], [0, -1.5]), relu, relu)
    assert PROXIES["nwot"](network, probe([[-1], [1], [2]], [0])) == pytest.approx(math.log(32))


@pytest.mark.parametrize("activation", [nn.GELU(), nn.SiLU(), nn.Hardswish(), nn.Sigmoid(), nn.ELU(inplace=True)])
def test_nwot_counts_every_activation_or_relus_only(activation):
    network = nn.Sequential(linear([[1], [1]], [0, -1.5]), activation)
    data = probe([[-1], [1], [2]], [0])
    assert PROXIES["nwot"](network, data) == pytest.approx(math.log(4))
    with pytest.raises(ScoringError, match="nwot counts activations, and this network has none that it can count"):
        PROXIES["nwot"](network, data, activations="relu")


@pytest.mark.parametrize("call", [torch.relu, nn.functional.relu, torch.Tensor.relu_, nn.functional.silu])
def test_nwot_sees_activations_that_are_no_modules(call):
    class Called(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = linear([[1], [1]], [0, -1.5])

        def forward(self, inputs):
            return call(self.first(inputs))

    assert PROXIES["nwot"](Called(), probe([[-1], [1], [2]], [0])) == pytest.approx(math.log(4))


@pytest.mark.parametrize(
    ("rows", "bias", "patterns"),
    [
        # Inputs -1, 1, 2: the units show 011 and 001.
        ([[1], [1]], [0, -1.5], 2),
        # 011, 001, 011 again, and 100.
        ([[1], [1], [2], [-1]], [0, -1.5, 0, 0], 3),
        # 000 is a pattern too.
        ([[1]], [-9], 1),
    ],
)
def test_swap_by_hand(rows, bias, patterns):
    assert PROXIES["swap"](nn.Sequential(linear(rows, bias), nn.ReLU()), probe([[-1], [1], [2]], [0])) == patterns


@pytest.mark.parametrize("count", [3, 22, 23, 64, 65, 130])
def test_swap_of_any_number_of_inputs(count):
    # Unit k is on from input k on: all patterns differ, in every place.
    network = nn.Sequential(linear([[1]] * count, [0.5 - k for k in range(count)]), nn.ReLU())
    assert PROXIES["swap"](network, probe([[float(i)] for i in range(count)], [0])) == count


def test_meco_by_hand():
    # Two maps of one input: x and x + y from 1x1 convolutions of noise channels; of n positions the correlation is r,
    # and the least eigenvalue of ((1, r), (r, 1)) is 1 - |r|.
    layer = nn.Conv2d(2, 2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0], [1.0, 1.0]])[:, :, None, None])
    data = probe(torch.zeros(3, 2, 200, 200), [0])
    assert PROXIES["meco"](nn.Sequential(layer), data) == pytest.approx(1 - math.sqrt(0.5), abs=0.01)
    # A constant channel correlates with nothing, itself included: the least eigenvalue is 0.
    with torch.no_grad():
        layer.weight[1] = 0
    assert PROXIES["meco"](nn.Sequential(layer), data) == 0
    # A map with more channels than positions allow adds nothing, and a network of such maps has no score.
    wide, small = nn.Conv2d(2, 5, 1), probe(torch.zeros(3, 2, 2, 2), [0])
    one = nn.Conv2d(2, 2, 1)
    both, narrow = nn.Sequential(one, wide), nn.Sequential(one)
    assert PROXIES["meco"](both, small) == PROXIES["meco"](narrow, small) > 0
    with pytest.raises(ScoringError, match="meco reads maps with more positions than channels, and this network has"):
        PROXIES["meco"](nn.Sequential(wide), small)


def test_zico_by_hand():
    # Outputs w x with targets 0 in half the squared error: g = w x^2 averaged over the batch. With w = 1: 1 and 9 for
    # the two batches, mean 5, deviation 4.
    one, other = (torch.tensor([[x]]) for x in (1.0, 3.0))
    data = Probe(((one, torch.zeros(1, 1)), (other, torch.zeros(1, 1))), half_square, 1)
    assert PROXIES["zico"](linear([[1]]), data) == pytest.approx(math.log(5 / 4))
    # Two weights of one layer: the second sees 0 in both batches, has no deviation and is left out.
    pad = [(torch.cat((x, torch.zeros(1, 1)), 1), t) for x, t in data.batches]
    assert PROXIES["zico"](linear([[1, 1]]), Probe(tuple(pad), half_square, 1)) == pytest.approx(math.log(5 / 4))


def test_zico_needs_two_batches():
    with pytest.raises(ScoringError, match="2 batches are needed, but the task gives 1: choose a smaller batch_size"):
        PROXIES["zico"](linear([[1]]), probe([[1]], [[1]]))


def test_gradsign_by_hand():
    # g of item i is (w . x - t) x: signs (+, -), (+, +) and (-, +) by the items below with w = 0 and t = -1, -1, 1.
    data = probe([[1, -1], [1, 1], [1, -1]], [[-1.0], [-1.0], [1.0]])
    assert PROXIES["gradsign"](linear([[0, 0]]), data) == abs(1 + 1 - 1) + abs(-1 + 1 + 1)


def test_gradsign_holds_normalisation_at_the_batch():
    # Alone, an item would be normalised to 0 and have no gradient. In the batch -1 and 1 stay what they are.
    network = nn.Sequential(nn.BatchNorm1d(1), linear([[0]]))
    assert PROXIES["gradsign"](network, probe([[-1], [1]], [[1.0], [1.0]])) == 0  # + and -
    network = nn.Sequential(nn.BatchNorm1d(1), linear([[0]]))
    assert PROXIES["gradsign"](network, probe([[-1], [1]], [[1.0], [-1.0]])) == 2  # + and +


def test_trainable_layers_by_hand():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2), nn.Linear(2, 2))
    network[-1].requires_grad_(False)
    assert PROXIES["trainable_layers"](network, probe([[1]], [[1]])) == 2
    assert PROXIES["trainable_layers"](nn.MultiheadAttention(4, 2), probe([[1]], [[1]])) == 2


def gates(*rows):
    """Sum of ReLUs of rows . x: an input that opens one gate only has that row as its gradient."""
    return nn.Sequential(linear(list(rows)), nn.ReLU(), linear([[1] * len(rows)]))


# The rows' means are 0, so that correlations are cosines.
A, B, C = (1, 0, -1), (1, -2, 1), (1, -1, 0)


def test_jacov_by_hand():
    # x = (1, 0, -1): A opens (2), B is 0 and stays closed. x = (1, -2, 1): A is 0, B opens. Cosine 0: eigenvalues 1, 1.
    score = PROXIES["jacov"](gates(A, B), probe([A, B], [0, 0]))
    assert score == pytest.approx(-2, abs=1e-4)
    # x = (1, 2, 0): A is 1, C is -1. x = (0, -1, 1): A is -1, C is 1. Cosine 1/2: eigenvalues 1/2 and 3/2, so
    # -(log 1/2 + 2 + log 3/2 + 2/3).
    score = PROXIES["jacov"](gates(A, C), probe([[1, 2, 0], [0, -1, 1]], [0, 0]))
    assert score == pytest.approx(-(math.log(0.75) + 8 / 3), abs=1e-3)
    # Two inputs through one gate: correlation 1, eigenvalues 2 and 0 (and k = 1e-5 counts): log k + 1/k + log 2 + 1/2.
    score = PROXIES["jacov"](gates(A), probe([[1, 2, 0], [2, 0, 0]], [0, 0]))
    assert score == pytest.approx(-(math.log(1e-5) + 1e5 + math.log(2) + 0.5), rel=1e-6)


# Inputs through gates A and C have correlation 1/2: a class of such a pair sums log(1 + 1e-5) twice and log(1/2) twice,
# about -2 log 2; a class of one input gives log(1 + 1e-5), about 0.
PAIR = [[1, 2, 0], [0, -1, 1]]


@pytest.mark.parametrize(
    ("labels", "few", "many"),
    [
        ([0, 0, 1], 2 * math.log(2), math.log(2) / 2 / 2),  # |s - s'| = log(2)/2 over two classes seen
        ([7, 7, 2, 3, 3], 4 * math.log(2), 2 * (math.log(2) / 2) / 3),  # pairs: 0, log(2)/2 twice; three seen
        ([0, 1, 2], 0.0, 0.0),
    ],
)
def test_epe_nas_by_hand(labels, few, many):
    inputs = [PAIR[i] for i in ((0, 1, 0) if len(labels) == 3 else (0, 1, 0, 0, 1))]
    for outputs, score in ((100, few), (101, many)):
        data = probe(inputs, labels, num_outputs=outputs)
        assert PROXIES["epe_nas"](gates(A, C), data) == pytest.approx(score, abs=3e-4)


@pytest.mark.parametrize("name", ["jacov", "epe_nas"])
def test_a_jacobian_without_spread_has_no_correlation(name):
    # The output is 0 for x = (-1, -2, 0): every gate is closed, the gradient is (0, 0, 0).
    data = probe([[1, 2, 0], [-1, -2, 0]], [0, 0])
    with pytest.raises(ScoringError, match="a row of the Jacobian is constant"):
        PROXIES[name](gates(A), data)


def test_zen_of_the_noise_itself():
    # A layer that keeps its input is one before the pooling: D is the mean of sum |0.01 w e| over 3 * 16 * 16 normal e.
    keep = nn.Conv2d(3, 3, 1, groups=3)
    network = nn.Sequential(keep, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    score = PROXIES["zen"](network, probe(torch.zeros(64, 3, 16, 16), [0]))
    size = keep.weight.abs().sum().item()
    assert score == pytest.approx(math.log(2.56 * size * math.sqrt(2 / math.pi)), abs=0.02)


def test_zen_puts_back_the_scale_that_normalisation_takes():
    # A 1x1 convolution of 50 channels to 1 has outputs of variance v = |w|^2, w drawn from N(0, 1). Normalised, D is
    # that of 16 * 16 normal values, and running_var went from 1 to 0.9 + 0.1 v to 0.81 + 0.19 v.
    layer, norm = nn.Conv2d(50, 1, 1), nn.BatchNorm2d(1)
    nn.init.constant_(norm.weight, 5)  # is set to 1
    nn.init.constant_(layer.bias, 3)  # is set to 0
    network = nn.Sequential(layer, norm, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    score = PROXIES["zen"](network, probe(torch.zeros(64, 50, 16, 16), [0]))
    variance = layer.weight.square().sum().item()
    assert variance == pytest.approx(50, rel=0.5)
    assert layer.bias.item() == 0
    assert norm.weight.item() == 1
    expected = math.log(2.56 * math.sqrt(2 / math.pi)) + 0.5 * math.log(0.81 + 0.19 * variance)
    assert score == pytest.approx(expected, abs=0.03)


def test_zen_taps_the_last_pooling_else_the_last_linear_layer():
    # All inputs of the last linear layer of size 1, so that D = 0.01 |w1 . e| averaged: sqrt(2 / pi) |w1| / 100.
    network = nn.Sequential(nn.Linear(40, 1), nn.Linear(1, 1))
    score = PROXIES["zen"](network, probe(torch.zeros(20_000, 40), [0]))
    assert score == pytest.approx(math.log(0.01 * math.sqrt(2 / math.pi) * network[0].weight.norm().item()), abs=0.03)


def test_zen_without_anything_to_tap():
    with pytest.raises(
        ScoringError, match="This proxy reads the features before the head, but the network has no layer"
    ):
        PROXIES["zen"](nn.Sequential(nn.ReLU()), probe(torch.zeros(2, 1, 4, 4), [0]))


def test_zen_of_features_that_overflow():
    layers = [nn.Linear(200, 200) for _ in range(40)]
    with pytest.raises(ScoringError, match="zen's features overflow"):
        PROXIES["zen"](nn.Sequential(*layers), probe(torch.zeros(2, 200), [0]))


@pytest.mark.parametrize("name", ["grad_norm", "snip", "plain", "grasp", "fisher", "jacov", "synflow"])
def test_an_output_of_nothing_is_refused(name):
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 1)

        def forward(self, inputs):
            return torch.zeros(len(inputs), 1)

    with pytest.raises(ScoringError, match="depends on none of its weights or inputs"):
        PROXIES[name](Constant(), probe([[1, 2], [3, 4]], [[0.0], [0.0]]))


def test_a_layer_that_does_not_reach_the_output_counts_nothing():
    class Dead(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.dead = linear([[2, -1]]), linear([[5, 5]])

        def forward(self, inputs):
            self.dead(inputs)
            return self.used(inputs)

    _, data = one_layer()
    for name in ("grad_norm", "snip", "plain", "grasp", "fisher", "synflow"):
        assert PROXIES[name](Dead(), data) == pytest.approx(PROXIES[name](*one_layer()))
    assert PROXIES["l2_norm"](Dead(), data) == pytest.approx(math.sqrt(5) + math.sqrt(50))


def test_scores_are_plain_floats():
    for name in ("l2_norm", "snip", "synflow"):
        assert type(PROXIES[name](*one_layer())) is float
    assert np.isfinite(PROXIES["nwot"](gates(A, C), probe(PAIR, [0, 0])))
