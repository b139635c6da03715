"""A score does not depend on where a network holds the items of a batch: first, behind its tokens, or in rows."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn
from torch.nn import functional

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.proxy import Probe
from archsieve.registry import PROXIES

from .odd_networks import Do

TOKENS = 8
PER_ITEM = ["nwot", "swap", "lswag", "wrcor", "vkdnw", "fisher", "zen"]
ACTIVATIONS = PER_ITEM[:4]


def probe(items, *shape):
    generator = torch.Generator().manual_seed(1)
    batches = [
        (torch.randn(items, *shape, generator=generator), torch.randint(4, (items,), generator=generator))
        for _ in range(2)
    ]
    return Probe(tuple(batches), functional.cross_entropy, 4)


def score(name, make, data):
    torch.manual_seed(0)
    return PROXIES[name](make().train(), data)


def encoder(*, is_first, dropout=0.0):
    """Return torch's encoder with the items first, or with the tokens first as it has by default."""
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout, batch_first=is_first)

    def forward(self, x):
        x = x if is_first else x.transpose(0, 1)
        return self.head(self.layer(x).mean(1 if is_first else 0))

    return Do(forward, layer=layer, head=nn.Linear(8, 4))


def rows(order):
    """Return a network whose layer gets the tokens of all items in rows, in one of two orders."""

    def forward(self, x):
        items = len(x)
        if order == "by item":
            y = functional.relu(self.layer(x.reshape(-1, 8)))
            return self.head(y.view(items, -1, 8).mean(1))
        if order == "by token":
            y = functional.relu(self.layer(x.transpose(0, 1).reshape(-1, 8)))
            return self.head(y.view(-1, items, 8).mean(0))
        return self.head(functional.relu(self.layer(x)).mean(1))

    return Do(forward, layer=nn.Linear(8, 8), head=nn.Linear(8, 4))


@pytest.mark.parametrize("items", [2, 4, 6, TOKENS, 2 * TOKENS])
@pytest.mark.parametrize("name", PER_ITEM)
def test_tokens_first_or_items_first(name, items):
    data = probe(items, TOKENS, 8)
    expected = score(name, lambda: encoder(is_first=True), data)
    assert score(name, lambda: encoder(is_first=False), data) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("order", ["by item", "by token"])
@pytest.mark.parametrize("items", [2, 3, TOKENS])
@pytest.mark.parametrize("name", PER_ITEM)
def test_tokens_in_rows(name, items, order):
    data = probe(items, TOKENS, 8)
    expected = score(name, lambda: rows("not in rows"), data)
    assert score(name, lambda: rows(order), data) == pytest.approx(expected, rel=1e-3)


def test_the_patterns_of_tokens_in_rows_by_hand():
    # Two items of two tokens of one unit: item 0 is (+, +), item 1 is (-, -). Each unit has the pattern (1, 0).
    batch = torch.tensor([[[1.0], [2.0]], [[-1.0], [-2.0]]])
    data = Probe(((batch, torch.tensor([0, 1])),), functional.cross_entropy, 1)

    def by_token(self, x):
        return functional.relu(x.transpose(0, 1).reshape(-1, 1)).view(2, len(x)).T.mean(1, keepdim=True)

    assert PROXIES["swap"](Do(by_token), data) == 1


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_second_pass_draws_what_the_first_one_drew(name):
    """Rows in order are read as before, with the same dropout, and the caller's generator is where it was left."""
    data = probe(6, TOKENS, 8)

    def network(order):
        inner = rows(order)
        return Do(lambda self, x: self.inner(functional.dropout(x, 0.3, self.training)), inner=inner)

    assert score(name, lambda: network("by item"), data) == score(name, lambda: network("not in rows"), data)


@pytest.mark.parametrize("items", [3, 4, 6])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_of_a_parameter_is_of_no_item(name, items):
    data = probe(items, 6)

    def gated(of_parameter):
        def forward(self, x):
            gate = self.gate.sigmoid() * (2 * self.gate).tanh() if of_parameter else torch.full((6,), 1.0)
            return self.head(functional.relu(self.layer(x)) * gate / gate.detach())

        network = Do(forward, layer=nn.Linear(6, 6), head=nn.Linear(6, 4))
        network.gate = nn.Parameter(torch.arange(1.0, 7.0))
        return network

    expected = score(name, lambda: gated(False), data)
    assert score(name, lambda: gated(True), data) == pytest.approx(expected, rel=1e-6)


def test_one_number_an_item_is_of_items():
    network = Do(lambda self, x: torch.tanh(self.layer(x).squeeze(1)), layer=nn.Linear(3, 1))
    with torch.no_grad():
        network.layer.weight.copy_(torch.tensor([[1.0, 0, 0]]))
        network.layer.bias.zero_()
    data = Probe(((torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]]), torch.zeros(2)),), functional.mse_loss, 1)
    assert PROXIES["swap"](network, data) == 1  # the pattern (1, 0) of its one unit


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_what_belongs_to_no_item_is_refused(name):
    def mixed(self, x):
        pairs = functional.relu(self.layer(x[1:]))
        return self.head(torch.cat([pairs, pairs[:1]]))

    make = lambda: Do(mixed, layer=nn.Linear(6, 6), head=nn.Linear(6, 4))  # noqa: E731
    with pytest.raises(ScoringError, match=r"has a tensor of shape \(4, 6\) for 5 inputs"):
        score(name, make, probe(5, 6))


ELEMENTWISE = [
    *(nn.CELU, nn.ELU, nn.GELU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.LeakyReLU, nn.LogSigmoid),
    *(nn.Mish, nn.PReLU, nn.RReLU, nn.ReLU, nn.ReLU6, nn.SELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Softshrink),
    *(nn.Softsign, nn.Tanh, nn.Tanhshrink, lambda: nn.Threshold(0.0, 0.0)),
]


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=lambda each: getattr(each, "__name__", "Threshold"))
def test_every_activation_of_torch_is_counted(activation):
    # Of three inputs, one of two numbers is on for the first, the other one for the second and the third.
    data = Probe(((torch.tensor([[1.0, -1], [-1, 1], [-1, 1]]), None),), functional.mse_loss, 2)
    assert PROXIES["swap"](nn.Sequential(activation()), data) == 2


def test_a_network_that_cannot_be_copied_keeps_no_hook():
    network = rows("by token").train()
    network.lock = threading.Lock()
    expected = score("fisher", lambda: rows("by token"), probe(4, TOKENS, 8))
    torch.manual_seed(0)
    network.load_state_dict(rows("by token").state_dict())
    assert PROXIES["fisher"](network, probe(4, TOKENS, 8)) == expected
    assert not any(module._forward_hooks for module in network.modules())
