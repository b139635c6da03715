"""The proxies of 2022 to 2025 on networks small enough for paper, and derived again in another way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev
from torch.nn import functional

from archsieve.errors import ScoringError, SettingError
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.estimators.zero_cost.proxies import vkdnw
from archsieve.estimators.zero_cost.proxies.az_nas import primary_blocks
from archsieve.estimators.zero_cost.proxy import Probe
from archsieve.registry import PROXIES
from archsieve.spaces.contract import SearchSpace
from archsieve.testing import EstimatorContract
from estimators.tiny import convolutional, half_square, linear, pictures, probe

from .families import ViT, build, probe_of
from .test_every_proxy import TASK

# vkdnw


class Apart(nn.Module):
    """The logits w1 x1 and w2 x2."""

    def __init__(self, one, two):
        super().__init__()
        self.one, self.two = linear([[one]]), linear([[two]])

    def forward(self, x):
        return torch.cat((self.one(x[:, :1]), self.two(x[:, 1:])), dim=1)


def entropy_of(*values):
    return -sum(v / sum(values) * math.log(v / sum(values)) for v in values)


def test_vkdnw_by_hand():
    # w = 0: both classes have 1/2, diag(p) - p p^T = 1/4 ((1, -1), (-1, 1)). x = (1, 0): the derivatives are (1, 0) by
    # w1, so 1/4 at (1, 1); x = (0, 2): (0, 2) by w2, so 1 at (2, 2). The means are 1/8 and 1/2, and the deciles
    # between them 1/8 + k/10 * 3/8.
    data = probe([[1, 0], [0, 2]], [0, 0], num_outputs=2)
    entropy = entropy_of(*(0.125 + k / 10 * 0.375 for k in range(1, 10)))
    assert PROXIES["vkdnw"](Apart(0, 0), data, size="none") == pytest.approx(entropy)
    assert PROXIES["vkdnw"](Apart(0, 0), data) == pytest.approx(2 + entropy)
    # One weight: one eigenvalue, all deciles alike.
    assert PROXIES["vkdnw"](linear([[0], [0]]), probe([[1]], [0]), size="none") == pytest.approx(math.log(9))
    # Labels are not used.
    unlabelled = Probe(((torch.tensor([[1.0, 0], [0, 2]]), None),), half_square, 2)
    assert PROXIES["vkdnw"](Apart(0, 0), unlabelled) == pytest.approx(2 + entropy)


def test_vkdnw_by_the_expectation_over_classes():
    """The information is the mean over items and classes, by their probabilities, of the squared score."""
    network, data = convolutional(), pictures()
    found = PROXIES["vkdnw"](convolutional(), data, size="none")
    layers = {n: m.weight for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    drawn = {
        n: int(torch.randint(w.numel(), (), generator=data.generator("init", "vkdnw", n))) for n, w in layers.items()
    }
    network.train()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 1.0
    network(data.inputs)
    network.eval()

    def log_shares(values, item):
        changed = {}
        for (name, weight), value in zip(layers.items(), values, strict=True):
            flat = weight.detach().flatten()
            at = torch.nn.functional.one_hot(torch.tensor(drawn[name]), flat.numel()).to(flat)
            changed[f"{name}.weight"] = (flat * (1 - at) + at * value).view_as(weight)
        return functional_call(network, changed, (item[None],))[0].log_softmax(0)

    values = torch.stack([weight.detach().flatten()[drawn[name]] for name, weight in layers.items()])
    information = np.zeros((len(layers), len(layers)))
    for item in data.inputs:
        scores = jacrev(log_shares)(values, item).detach().numpy()
        shares = log_shares(values, item).exp().detach().numpy()
        information += sum(share * np.outer(s, s) for share, s in zip(shares, scores, strict=True))
    deciles = np.quantile(np.linalg.eigvalsh(information / len(data.inputs)), np.arange(1, 10) / 10)
    assert found == pytest.approx(entropy_of(*deciles), rel=1e-6)


def test_vkdnw_counts_a_weight_in_two_layers_once():
    one, other = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    other.weight = one.weight
    data = probe([[1, 2], [0, 1]], [0, 1])
    assert PROXIES["vkdnw"](nn.Sequential(one, nn.Tanh(), other), data) == pytest.approx(1 + math.log(9))
    twice = PROXIES["vkdnw"](nn.Sequential(one, nn.Tanh(), one), data, size="none")
    assert PROXIES["vkdnw"](nn.Sequential(one, nn.Tanh(), other), data, size="none") == twice


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (linear([[1, 2]]), r"outputs of shape \(2, 1\) have fewer than two"),
        (nn.Identity(), "depends on none of its weights|calls none with a weight"),
    ],
)
def test_vkdnw_says_what_it_cannot_read(network, sentence):
    with pytest.raises(ScoringError, match=sentence):
        PROXIES["vkdnw"](network, probe([[1, 2], [0, 1]], [0, 1]))


def test_vkdnw_of_another_size_is_a_setting():
    with pytest.raises(SettingError, match="`size` must be 'layers' or 'none', but got 'macs'"):
        PROXIES["vkdnw"](linear([[0], [0]]), probe([[1]], [0]), size="macs")


def test_vkdnw_of_outputs_that_no_weight_moves():
    class Still(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            return self.layer(x) * 0

    assert PROXIES["vkdnw"](Still(), probe([[1, 2]], [0])) == 1


class Changed(Apart):
    """The logits of `Apart` by another use of each weight."""

    def __init__(self, layer):
        super().__init__(1.0, 1.0)
        self.one, self.two = layer(), layer()


class Squared(nn.Linear):
    """Multiplies by the square of its weight."""

    def __init__(self):
        super().__init__(1, 1, bias=False)
        nn.init.ones_(self.weight)

    def forward(self, x):
        return functional.linear(x, self.weight.square())


class UsedTwice(Squared):
    """Multiplies by its weight, and then once more outside of its call."""

    def forward(self, x):
        return functional.linear(x, self.weight)


class Twice(Changed):
    def forward(self, x):
        one, two = self.one(x[:, :1]), self.two(x[:, 1:])
        return torch.cat((functional.linear(one, self.one.weight), functional.linear(two, self.two.weight)), dim=1)


def hooked():
    """A layer whose outputs a hook multiplies by 2."""
    layer = linear([[0.5]])
    layer.register_forward_hook(lambda module, inputs, output: 2 * output * module.weight.detach() / 0.5)
    return layer


@pytest.mark.parametrize(
    ("network", "slope"),
    [(lambda: Changed(Squared), 2), (lambda: Twice(UsedTwice), 2), (lambda: Changed(hooked), 2)],
)
def test_vkdnw_by_hand_where_a_layer_is_no_product_with_its_weight(network, slope):
    # The logits are x, and their derivatives slope * x. With p the share of the first class and v = p (1 - p), the
    # information of an item (1, 0) is v slope^2 by the first weight, that of (0, 2) is 4 v slope^2 by the second.
    data = probe([[1, 0], [0, 2]], [0, 0], num_outputs=2)
    one, two = (1 / (2 + 2 * math.cosh(logit)) for logit in (1, 2))
    low, high = sorted((one * slope**2 / 2, two * 4 * slope**2 / 2))
    expected = entropy_of(*(low + k / 10 * (high - low) for k in range(1, 10)))
    assert PROXIES["vkdnw"](network(), data, size="none") == pytest.approx(expected)


class Adapted(nn.Linear):
    """A layer with a product of two small matrices beside it."""

    def __init__(self):
        super().__init__(1, 1, bias=False)
        nn.init.zeros_(self.weight)
        self.down, self.up = nn.Parameter(torch.tensor([[3.0]])), nn.Parameter(torch.tensor([[0.0]]))

    def forward(self, x):
        return functional.linear(x, self.weight) + functional.linear(functional.linear(x, self.down), self.up)


def test_vkdnw_by_hand_of_an_adapted_layer():
    # The logits are 0 and their derivatives by (weight, up, down) of the layers (x, 3 x, 0): the information is
    # x^2 / 4 (1, 3, 0) (1, 3, 0)^T, of the eigenvalue 10 x^2 / 4. The six are 1.25 of x = 1, 5 of x = 2, and zeros.
    data = probe([[1, 0], [0, 2]], [0, 0], num_outputs=2)
    deciles = np.quantile([0, 0, 0, 0, 1.25, 5], np.arange(1, 10) / 10)
    expected = entropy_of(*(value for value in deciles if value > 0))
    assert PROXIES["vkdnw"](Changed(Adapted), data, size="none") == pytest.approx(expected)
    assert PROXIES["vkdnw"](Changed(Adapted), data) == pytest.approx(6 + expected)


def test_vkdnw_by_hand_of_a_table_of_words_that_is_also_the_output_layer():
    # Two words of one number, w1 = 1 and w2 = -1; word i gives the logits wi * (w1, w2). The drawn number is one of
    # the two, and the derivatives by wi of the logits (wi^2, wi wj) are (2 wi, wj), by wj they are (0, wi): their
    # differences are 2 wi - wj = 3 wi, and -wi. One weight: one eigenvalue, whatever it is.
    network = nn.Sequential(nn.Embedding(2, 1), nn.Flatten(), nn.Linear(1, 2, bias=False))
    network[2].weight = network[0].weight
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0], [-1.0]]))
    data = Probe(((torch.tensor([[0], [1]]), None),), half_square, 2)
    share = 1 / (1 + math.exp(-2))
    information = vkdnw._fisher_information(network.train(), data)
    assert information.item() == pytest.approx(share * (1 - share) * (3**2 + 1**2) / 2)


def test_vkdnw_refuses_outputs_of_each_token():
    network = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 9))
    data = Probe(((torch.zeros(3, 5, dtype=torch.int64), None),), half_square, 9)
    with pytest.raises(ScoringError, match=r"outputs of shape \(3, 5, 9\) it is that of the tokens"):
        PROXIES["vkdnw"](network, data)


def test_vkdnw_refuses_outputs_that_depend_on_other_items():
    class Mixing(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x):
            x = torch.tanh(self.layer(x))
            return self.head(x - x.mean(0))

    data = Probe(((torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), None),), half_square, 2)
    with pytest.raises(ScoringError, match="depend on the other inputs of the batch, or on random numbers"):
        PROXIES["vkdnw"](Mixing(), data)


# wrcor


def test_a_block_in_several_places_is_a_block():
    block = nn.Sequential(linear([[1, 0], [0, 1]]), nn.ReLU())
    block = Holder(block)
    assert primary_blocks(nn.Sequential(nn.ModuleList([block, block]), nn.Linear(2, 2))) == [block]


class Holder(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


def test_wrcor_by_hand():
    # Three units get (1, 0, -1) and (1, -2, 1): they correlate with 0. Behind come equal weights, so the gradients are
    # those of the open units, (a, 0, 0) and (b, 0, b): 1/2. K = 2^1 (((1, 0), (0, 1)) + ((1, 1/2), (1/2, 1))).
    network = nn.Sequential(linear([[1, 0, 0], [0, 1, 0], [0, 0, 1]]), nn.ReLU(), linear([[1, 1, 1]]))
    data = probe([[1, 0, -1], [1, -2, 1]], [[0.0], [0.0]])
    assert PROXIES["wrcor"](network, data) == pytest.approx(math.log(4 * (2 * 2 - 0.5**2)))


def test_wrcor_doubles_from_block_to_block():
    # The second activation gets the first's outputs (1, 0, 0) and (1, 0, 1), which correlate with 1/2; its gradients
    # are those of the first, with 1/2 too.
    eye = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    network = nn.Sequential(linear(eye), nn.ReLU(), linear(eye), nn.ReLU(), linear([[1, 1, 1]]))
    data = probe([[1, 0, -1], [1, -2, 1]], [[0.0], [0.0]])
    diagonal, beside = 2 * 2 + 4 * 2, 2 * 0.5 + 4 * 1
    assert PROXIES["wrcor"](network, data) == pytest.approx(math.log(diagonal**2 - beside**2))
    assert PROXIES["wrcor"](network, data, activations="relu") == PROXIES["wrcor"](network, data)


def test_wrcor_of_nothing():
    with pytest.raises(ScoringError, match="wrcor reads activations, and this network has none"):
        PROXIES["wrcor"](linear([[1, 2]]), probe([[1, 2], [2, 1]], [[0.0], [0.0]]))
    # Constant rows have no correlation, neither forwards nor backwards.
    dead = nn.Sequential(linear([[0, 0, 0]] * 2), nn.ReLU(), linear([[1, 1]]))
    assert PROXIES["wrcor"](dead, probe([[1, 0, -1], [1, -2, 1]], [[0.0], [0.0]])) == -math.inf


# lswag


def lswag_data(*columns):
    one, other = (torch.tensor([[float(x)] * len(columns)]) * torch.tensor([columns]) for x in (1, 3))
    return Probe(((one, torch.zeros(1, 1)), (other, torch.zeros(1, 1))), half_square, 1)


def test_lswag_by_hand():
    # Outputs relu(w x), targets 0: g = w x^2, 1 and 9 for the two batches, deviation 4; the one unit has one pattern.
    network = nn.Sequential(linear([[1]]), nn.ReLU())
    assert PROXIES["lswag"](network, lswag_data(1)) == pytest.approx(math.log(1 / 4))
    # A second unit that is off has no gradient, but a pattern of its own.
    network = nn.Sequential(linear([[1], [-1]]), nn.ReLU(), linear([[1, 1]]))
    # The last layer's weight sees w x = 1 and 3 with dL/do = 1 and 3: the same gradients once more; the other sees 0.
    assert PROXIES["lswag"](network, lswag_data(1)) == pytest.approx(2 * 2 * math.log(1 / 4))


def test_lswag_goes_by_the_size_of_gradients():
    # Gradients 1 and -1 differ, but not in size: no weight counts.
    batches = tuple((torch.tensor([[1.0]]), torch.tensor([[t]])) for t in (0.0, 2.0))
    network = nn.Sequential(linear([[1]]), nn.ReLU())
    assert PROXIES["lswag"](network, Probe(batches, half_square, 1)) == 0
    assert PROXIES["zico"](network, Probe(batches, half_square, 1)) == 0  # log(1 / 1)


def test_lswag_of_a_part_of_the_depth():
    network = nn.Sequential(linear([[1], [-1]]), nn.ReLU(), linear([[1, 1]]), nn.ReLU())
    whole = {"first": 0.0, "last": 1.0}
    halves = ({"first": 0.0, "last": 0.5}, {"first": 0.5, "last": 1.0})
    # The first half has two patterns, (1) and (0), the second one; together they are still two.
    expected = [2 * math.log(1 / 4), math.log(1 / 4), 2 * 2 * math.log(1 / 4)]
    found = [PROXIES["lswag"](network, lswag_data(1), **part) for part in (*halves, whole)]
    assert found == pytest.approx(expected)
    with pytest.raises(SettingError, match=r"`0 <= first < last <= 1` must hold, but got first=0.5, last=0.5"):
        PROXIES["lswag"](network, lswag_data(1), first=0.5, last=0.5)


def test_lswag_goes_by_the_order_of_calls_in_a_part_of_the_depth():
    class Backwards(nn.Module):
        """The layers of a sequence, registered from its end."""

        def __init__(self):
            super().__init__()
            self.last, self.first = linear([[1, 1]]), linear([[1], [-1]])

        def forward(self, x):
            return functional.relu(self.last(functional.relu(self.first(x))))

    forwards = nn.Sequential(linear([[1], [-1]]), nn.ReLU(), linear([[1, 1]]), nn.ReLU())
    batches = tuple((torch.tensor([[x]]), torch.tensor([[0.0]])) for x in (1.0, 2.0))
    for part in ({"first": 0.0, "last": 0.5}, {"first": 0.5, "last": 1.0}):
        data = Probe(batches, half_square, 1)
        assert PROXIES["lswag"](Backwards(), data, **part) == PROXIES["lswag"](forwards, data, **part)


def test_lswag_says_what_it_cannot_read():
    with pytest.raises(ScoringError, match="lswag counts activations, and this network has none"):
        PROXIES["lswag"](linear([[1]]), lswag_data(1))
    with pytest.raises(ScoringError, match="2 batches are needed, but the task gives 1"):
        PROXIES["lswag"](nn.Sequential(linear([[1]]), nn.ReLU()), probe([[1]], [[1]]))


# meco with drawn channels


def copying(channels, inputs=2):
    layer = nn.Conv2d(inputs, channels, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(channels, inputs)[:, :, None, None])
    return nn.Sequential(layer)


def test_meco_of_drawn_channels_by_hand():
    # Channels of noise are apart: any two have the least eigenvalue 1, and stand for four.
    data = probe(torch.zeros(3, 4, 200, 200), [0])
    assert PROXIES["meco"](copying(4, 4), data, channels=2) == pytest.approx(4 / 2, abs=0.05)
    # A map with fewer channels is taken whole.
    data = probe(torch.zeros(3, 2, 20, 20), [0])
    assert PROXIES["meco"](copying(2), data, channels=8) == PROXIES["meco"](copying(2), data) > 0
    # Two positions more than the drawn channels are enough, where all channels are too many.
    small = probe(torch.zeros(3, 5, 2, 2), [0])
    with pytest.raises(ScoringError, match="this network has none: set fewer channels to draw, as in"):
        PROXIES["meco"](copying(5, 5), small)
    assert PROXIES["meco"](copying(5, 5), small, channels=2) > 0


@pytest.mark.parametrize("channels", [-1, 1])
def test_meco_draws_two_channels_or_more(channels):
    with pytest.raises(SettingError, match=f"but got channels={channels}"):
        PROXIES["meco"](copying(2), probe(torch.zeros(1, 2, 4, 4), [0]), channels=channels)


# dss


class Attends(nn.Module):
    """Attention of one weight: tokens that are all alike attend to each other and stay what they are."""

    def __init__(self, rows):
        super().__init__()
        self.values = linear(rows)

    def forward(self, x):
        x = self.values(x)
        return torch.softmax(x @ x.transpose(1, 2), dim=-1) @ x


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attends, self.mixes, self.head = Attends([[-3, 0], [0, 4]]), linear([[1, -2], [0, 1]]), linear([[1, -1]])

    def forward(self, x):
        y = self.head(self.mixes(self.attends(x)).mean(1))
        return y + 0 * y.softmax(1)


def test_dss_by_hand():
    # In absolute values W = diag(3, 4), M = ((1, 2), (0, 1)), h = (1, 1); of tokens of ones R = h M W 1. dR/dW is
    # M^T h 1^T = (1, 3) (1, 1)^T of nuclear norm sqrt(10) sqrt(2), W has 7. dR/dM = h (W 1)^T = ((3, 4), (3, 4)), times
    # M: 15. The head does not count, and a softmax over classes is no attention.
    data = probe(torch.zeros(2, 5, 2), [0, 0])
    assert PROXIES["dss"](Transformer(), data) == pytest.approx(7 * math.sqrt(20) + 15)


def test_dss_reads_torchs_own_attention():
    """One token attends to itself: the values pass, and only their rows of the fused projection have a gradient."""
    attention = nn.MultiheadAttention(2, 1, bias=False, batch_first=True)
    with torch.no_grad():
        attention.in_proj_weight.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 1], [2, 0], [0, 5]]))
        attention.out_proj.weight.copy_(torch.eye(2))

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention, self.head = attention, linear([[1, 1]])

        def forward(self, x):
            return self.head(self.attention(x, x, x)[0][:, 0])

    # Fused: columns (1, 0, 1, 0, 2, 0) and (0, 1, 0, 1, 0, 5), orthogonal: sqrt(6) + sqrt(27); its flow is ones in the
    # last two rows: norm 2. Out: 2, and its flow (1, 1) (2, 5)^T: sqrt(2) sqrt(29).
    expected = (math.sqrt(6) + math.sqrt(27)) * 2 + 2 * math.sqrt(2 * 29)
    assert PROXIES["dss"](Network(), probe(torch.zeros(3, 1, 2), [0, 0, 0])) == pytest.approx(expected)


def test_dss_needs_attention():
    with pytest.raises(ScoringError, match="dss reads attention, and this network has none that it can see"):
        PROXIES["dss"](nn.Sequential(linear([[1, 2]]), nn.Softmax(1)), probe([[1, 2]], [0]))


@dataclass(frozen=True)
class Transformers(SearchSpace):
    """Transformers by their number of layers, and by who wrote the attention."""

    name: ClassVar[str] = "transformers"
    is_shareable: ClassVar[bool] = True

    @property
    def choices(self):
        return (2, 2, 2)

    def build(self, arch, task):
        network = ViT(by_hand=bool(arch[0]))
        network.layers = network.layers[: 1 + arch[1]]
        network.patches = nn.Conv2d(3, 16, 2 + 2 * arch[2], 2 + 2 * arch[2])
        network.position = nn.Parameter(torch.zeros(1, 1 + (8 // (2 + 2 * arch[2])) ** 2, 16))
        return network


class TestDSS(EstimatorContract):
    task, space, estimator = TASK, Transformers(), ZeroCost("dss", batch_size=8)


def test_dss_of_a_deeper_transformer_is_larger():
    shallow, deep = build("ViT (attention by hand)"), build("ViT (attention by hand)")
    shallow.layers = shallow.layers[:1]
    data = probe_of("ViT (attention by hand)")
    assert 0 < PROXIES["dss"](shallow, data) < PROXIES["dss"](deep, data)
