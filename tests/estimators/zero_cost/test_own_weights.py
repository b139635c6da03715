"""Weights that a network multiplies by outside of layers count like those of layers."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional

from archsieve.errors import ScoringError
from archsieve.estimators.contract import Context
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.estimators.zero_cost.proxy import Probe
from archsieve.registry import PROXIES
from archsieve.spaces.contract import SearchSpace
from archsieve.spaces.layers.chain import Chain
from archsieve.tasks.synthetic import Synthetic

from .odd_networks import Do

READ_WEIGHTS = [
    *("dss", "gradsign", "grad_norm", "grasp", "l2_norm", "lswag", "plain", "snip", "synflow", "synflow_log"),
    *("trainable_layers", "vkdnw", "zico"),
]


def probe(*shape, tokens=None, items=6, classes=4):
    generator = torch.Generator().manual_seed(1)

    def batch():
        inputs = torch.randn(items, *shape, generator=generator)
        if tokens is not None:
            inputs = torch.randint(tokens, (items, *shape), generator=generator)
        return inputs, torch.randint(classes, (items,), generator=generator)

    return Probe((batch(), batch()), functional.cross_entropy, classes)


class Held(nn.Module):
    """Holds a matrix or a kernel: in a layer without a bias, or as a parameter of its own under the same name."""

    def __init__(self, *shape, in_layer, groups=1):
        super().__init__()
        self.in_layer = in_layer
        layer = nn.Linear(shape[1], shape[0], bias=False)
        if len(shape) == 4:
            layer = nn.Conv2d(shape[1], shape[0], shape[2:], padding=1, bias=False)
        self.w = layer if in_layer else nn.Parameter(layer.weight.detach())

    def forward(self, x):
        if self.in_layer:
            return self.w(x)
        return self.multiply(x)

    def multiply(self, x):
        return functional.linear(x, self.w)


class ByMatmul(Held):
    def multiply(self, x):
        return x @ self.w.T


class ByEinsum(Held):
    def multiply(self, x):
        return torch.einsum("...i,oi->...o", x, self.w)


class ByAddmm(Held):
    def multiply(self, x):
        rows = torch.addmm(x.new_zeros(len(self.w)), x.reshape(-1, x.shape[-1]), self.w.t())
        return rows.view(*x.shape[:-1], -1)


class ByKernel(Held):
    def multiply(self, x):
        return functional.conv2d(x, self.w, padding=1)


class Attention(nn.Module):
    def __init__(self, kind, in_layer):
        super().__init__()
        self.q, self.v = kind(8, 8, in_layer=in_layer), kind(8, 8, in_layer=in_layer)

    def forward(self, x):
        q = self.q(x)
        return x + torch.softmax(q @ q.transpose(1, 2), dim=-1) @ self.v(x)


class Transformer(nn.Module):
    """A class token and places, which are added and not multiplied by, attention, a gated layer and a head."""

    def __init__(self, kind, in_layer, tokens=5):
        super().__init__()
        self.token, self.places = nn.Parameter(torch.ones(1, 1, 8)), nn.Parameter(torch.ones(1, tokens + 1, 8) * 0.1)
        self.attention, self.layer = Attention(kind, in_layer), kind(8, 8, in_layer=in_layer)
        self.gate, self.head = nn.Parameter(torch.full((8,), 0.5)), kind(4, 8, in_layer=in_layer)

    def forward(self, x):
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
        x = self.attention(x)
        return self.head((x + self.gate * functional.relu(self.layer(x)))[:, 0])


class Kernels(nn.Module):
    def __init__(self, in_layer):
        super().__init__()
        self.one, self.two = ByKernel(5, 3, 3, 3, in_layer=in_layer), ByKernel(4, 5, 3, 3, in_layer=in_layer)

    def forward(self, x):
        return self.two(functional.relu(self.one(x))).mean((2, 3))


def score(name, make, data):
    torch.manual_seed(0)
    return PROXIES[name](make().train(), data)


@pytest.mark.parametrize("kind", [Held, ByMatmul, ByEinsum, ByAddmm])
@pytest.mark.parametrize("name", READ_WEIGHTS)
def test_a_matrix_counts_like_that_of_a_linear_layer(name, kind):
    data = probe(5, 8)
    expected = score(name, lambda: Transformer(kind, in_layer=True), data)
    assert score(name, lambda: Transformer(kind, in_layer=False), data) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", [name for name in READ_WEIGHTS if name != "dss"])
def test_a_kernel_counts_like_that_of_a_convolution(name):
    data = probe(3, 6, 6)
    expected = score(name, lambda: Kernels(in_layer=True), data)
    assert score(name, lambda: Kernels(in_layer=False), data) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["meco", "zen"])
def test_functions_of_layers_are_layers(name):
    data = probe(10, 8)
    expected = score(name, lambda: Transformer(Held, in_layer=True, tokens=10), data)
    assert score(name, lambda: Transformer(Held, in_layer=False, tokens=10), data) == pytest.approx(expected, rel=1e-4)
    data = probe(3, 6, 6)
    expected = score(name, lambda: Kernels(in_layer=True), data)
    assert score(name, lambda: Kernels(in_layer=False), data) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["fisher", "az_expressivity", "az_progressivity", "az_trainability", "meco", "zen"])
def test_what_does_not_see_a_weight_says_so(name):
    network = Transformer(ByMatmul, in_layer=False).train()
    with pytest.raises(
        ScoringError, match=r"outside of them: attention\.q\.w, attention\.v\.w, layer\.w, head\.w\. Put"
    ):
        PROXIES[name](network, probe(5, 8))


def test_what_is_said_of_a_constant():
    def network():
        return Do(lambda self, x: self.layer(self.places @ x).mean(1), layer=nn.Linear(8, 4)).train()

    frozen, constant = network(), network()
    frozen.places = nn.Parameter(torch.eye(5), requires_grad=False)
    with pytest.raises(ScoringError, match=r"places\. Put .*, and constants into buffers \(register_buffer\)\."):
        PROXIES["fisher"](frozen, probe(5, 8))
    constant.register_buffer("places", torch.eye(5))
    assert PROXIES["fisher"](constant, probe(5, 8)) > 0


class OwnAttention(nn.MultiheadAttention):
    """Inherits the projections of torch's attention."""


@pytest.mark.parametrize("name", ["fisher", "zen", "az_expressivity", "l2_norm", "vkdnw"])
def test_a_class_that_inherits_torchs_attention_is_torchs_attention(name):
    def network(kind):
        attention, head = kind(8, 2, batch_first=True), nn.Linear(8, 4)
        return Do(lambda self, x: self.head(self.attention(x, x, x)[0].mean(1)), attention=attention, head=head)

    expected = score(name, lambda: network(nn.MultiheadAttention), probe(5, 8))
    assert score(name, lambda: network(OwnAttention), probe(5, 8)) == expected


def layers_of(network, data):
    return PROXIES["trainable_layers"](network.train(), data)


def test_what_is_only_added_is_no_weight():
    assert layers_of(Transformer(Held, in_layer=False), probe(5, 8)) == 4


def table(forward):
    return Do(forward, words=nn.Embedding(9, 4), layer=nn.Linear(4, 4))


def test_a_table_of_words_is_a_weight_where_the_outputs_are_its_products():
    data = probe(5, tokens=9, classes=9)

    def hidden(self, x):
        return torch.tanh(self.layer(self.words(x)).mean(1))

    assert layers_of(table(lambda self, x: hidden(self, x)), data) == 1
    assert layers_of(table(lambda self, x: functional.linear(hidden(self, x), self.words.weight)), data) == 2
    assert layers_of(table(lambda self, x: hidden(self, x) @ self.words.weight.T), data) == 2
    tied = table(lambda self, x: self.out(hidden(self, x)))
    tied.out = nn.Linear(4, 9, bias=False)
    tied.out.weight = tied.words.weight
    assert layers_of(tied, data) == 2


class Computed(nn.Module):
    """Multiplies by what it computes from parameters of its own."""

    def __init__(self, compute):
        super().__init__()
        self.compute = compute
        self.w, self.scale = nn.Parameter(torch.randn(4, 8)), nn.Parameter(torch.ones(4, 1))
        self.down, self.up = nn.Parameter(torch.randn(2, 8)), nn.Parameter(torch.zeros(4, 2))

    def forward(self, x):
        return functional.linear(x, self.compute(self))


def standardised(self):
    return (self.w - self.w.mean(1, keepdim=True)) / self.w.std(1, keepdim=True)


@pytest.mark.parametrize(
    ("compute", "layers"),
    [
        (standardised, 1),
        (lambda self: self.w * self.scale, 1),
        (lambda self: self.scale * self.w / self.w.norm(dim=1, keepdim=True), 1),
        (lambda self: self.w + self.up @ self.down, 3),  # two factors of a matrix are two more
    ],
)
def test_what_is_computed_from_parameters_is_one_weight(compute, layers):
    assert layers_of(Computed(compute), probe(8)) == layers


def test_a_frozen_one_is_not_trainable():
    network = Transformer(ByMatmul, in_layer=False)
    network.layer.w.requires_grad_(False)
    assert layers_of(network, probe(5, 8)) == 3


def test_finding_them_changes_neither_the_network_nor_the_generators():
    network, data = Transformer(Held, in_layer=False).train(), probe(5, 8)
    before, state = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
    layers_of(network, data)
    assert torch.equal(torch.get_rng_state(), state)
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in after.items())


def test_dss_says_which_weights_are_no_matrices():
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.head = nn.Parameter(torch.randn(2, 8, 4)), nn.Linear(8, 4)

        def forward(self, x):
            q = torch.einsum("ntd,hde->nhte", x, self.q)
            mixed = torch.softmax(q @ q.transpose(2, 3), dim=-1) @ q
            return self.head(mixed.transpose(1, 2).flatten(2).mean(1))

    with pytest.raises(ScoringError, match=r"the weight 'q' of attention has the shape \(2, 8, 4\)"):
        PROXIES["dss"](Heads(), probe(5, 8))


def test_dss_sees_attention_as_a_function():
    def attend(self, x):
        x = x.transpose(0, 1)
        none = x.new_zeros(24)
        weights = {"q": self.q, "k": self.k, "v": self.v}
        mixed, _ = functional.multi_head_attention_forward(
            *(x, x, x, 8, 2, None, none, None, None, False, 0.0, self.out.weight, self.out.bias),
            use_separate_proj_weight=True,
            **{f"{name}_proj_weight": layer.weight for name, layer in weights.items()},
        )
        return mixed.mean(0)

    attention = Do(attend, **{name: nn.Linear(8, 8) for name in ("q", "k", "v", "out")})
    network = Do(lambda self, x: self.head(self.attention(x)), attention=attention, head=nn.Linear(8, 4))
    assert PROXIES["dss"](network, probe(5, 8)) > 0


def test_a_network_that_cannot_be_copied_or_takes_one_batch_size_alone():
    def forward(self, x):
        assert len(x) == 6, "6 items, no more and no less"
        with self.lock:
            return functional.linear(x, self.inner.w)

    network = Do(forward, inner=Held(4, 8, in_layer=False))
    network.lock = threading.Lock()
    assert layers_of(network, probe(8)) == 1


def test_a_network_that_refuses_to_be_copied():
    class Only(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Held(4, 8, in_layer=False)

        def __deepcopy__(self, memo):
            raise ValueError("there is only one")

        def forward(self, x):
            return self.inner(x)

    assert layers_of(Only(), probe(8)) == 1


def signs(self, x):
    return self.head(((x @ x.transpose(1, 2) > 0).float() * self.scale) @ self.layer(x)).mean(1)


def distances(self, x):
    with torch.no_grad():
        weights = torch.cdist(x, x).neg().softmax(-1)
    return self.head((weights * self.scale) @ self.layer(x)).mean(1)


@pytest.mark.parametrize("forward", [signs, distances])
def test_numbers_of_the_inputs_without_gradients_are_no_weights_if_they_are_scaled(forward):
    network = Do(forward, layer=nn.Linear(8, 8), head=nn.Linear(8, 4))
    network.scale = nn.Parameter(torch.ones(5, 5))
    assert layers_of(network, probe(5, 8)) == 2


def test_a_mask_of_tokens_is_no_weight_if_it_is_scaled():
    def forward(self, x):
        weights = (x > 0).float() * self.scale
        return self.head(weights[:, None] @ self.words(x))[:, 0]

    network = Do(forward, words=nn.Embedding(9, 4), head=nn.Linear(4, 4))
    network.scale = nn.Parameter(torch.ones(5))
    assert layers_of(network, probe(5, tokens=9)) == 1


@pytest.mark.parametrize("convert", [lambda w, x: w.to(x), lambda w, x: w.type_as(x), lambda w, x: w.abs().to(x)])
def test_a_weight_that_gets_the_type_of_the_inputs_is_a_weight(convert):
    network = Do(lambda self, x: x @ convert(self.w, x))
    network.w = nn.Parameter(torch.ones(8, 4, dtype=torch.float64))
    assert layers_of(network, probe(8)) == 1


def test_a_weight_that_is_written_into_zeros_is_a_weight():
    def forward(self, x):
        whole = x.new_zeros(8, 8)
        whole[self.rows, self.columns] = self.w
        return self.head(x @ (whole - whole.T))

    network = Do(forward, head=nn.Linear(8, 4))
    network.rows, network.columns = torch.triu_indices(8, 8, 1)
    network.w = nn.Parameter(torch.ones(28))
    assert layers_of(network, probe(8)) == 2


@pytest.mark.parametrize("holder", [nn.Module, nn.ModuleList, nn.Sequential])
def test_a_weight_that_is_registered_in_a_container_is_a_weight(holder):
    network = Do(lambda self, x: x @ self.holder.w, holder=holder())
    network.holder.register_parameter("w", nn.Parameter(torch.ones(8, 4)))
    assert layers_of(network, probe(8)) == 1


@dataclass(frozen=True)
class Kernel(SearchSpace):
    """A chain of two blocks that hold kernels, in layers or as parameters of their own."""

    in_layer: bool
    name: ClassVar[str] = "kernels"
    is_shareable: ClassVar[bool] = True

    @property
    def choices(self):
        return (2, 2)

    def stem(self):
        return nn.Conv2d(3, 4, 3, padding=1, bias=False)

    def block(self, position, option):
        kernel = ByKernel(4, 4, 3, 3, in_layer=self.in_layer)
        return nn.Sequential(kernel, nn.ReLU()) if option else nn.ReLU()

    def head(self):
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4, bias=False))

    def build(self, arch, task):
        return Chain(self, task, self, [(option,) for option in arch])

    def supernet(self, task):
        return Chain(self, task, self, [range(2)] * 2)


@pytest.mark.parametrize("name", ["l2_norm", "meco", "zen"])
def test_pieces_of_a_chain_have_them_too(name, tmp_path):
    task = Synthetic(shape=(3, 6, 6), num_outputs=4, images=20)
    codes, estimator = list(itertools.product(range(2), repeat=2)), ZeroCost(name, batch_size=4, init="shared")
    scores = estimator.score(codes, Context(Kernel(in_layer=False), task, tmp_path))
    alone = [estimator.score([code], Context(Kernel(in_layer=False), task, tmp_path))[0] for code in codes]
    assert scores.tolist() == alone
    in_layers = estimator.score(codes, Context(Kernel(in_layer=True), task, tmp_path))
    assert scores[0] == pytest.approx(in_layers[0], rel=1e-5)  # without a kernel
    if name == "zen":  # whose weights are drawn by name
        assert scores.tolist() == pytest.approx(in_layers.tolist(), rel=1e-4)
    if name == "l2_norm":  # a kernel without a layer has the weights of its own code
        assert min(scores[1:]) > scores[0] + 0.5
