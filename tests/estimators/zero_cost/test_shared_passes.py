"""Proxies of one network share its forward pass: the scores are to the bit those of each proxy alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from archsieve.errors import PartialScoringError
from archsieve.estimators.contract import Context
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.estimators.zero_cost.second_derivatives import FastSecondDerivatives
from archsieve.registry import PROXIES
from archsieve.spaces.contract import SearchSpace
from archsieve.spaces.nasbench201.network import CellNetwork
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.tasks.synthetic import Synthetic

TASK = Synthetic(shape=(3, 8, 8), num_outputs=3, images=20, test_images=6)
SHARING = ("nwot", "snip", "grad_norm", "plain", "fisher", "jacov", "epe_nas", "grasp")
CELLS = NASBench201(width=4, cells=1)
CODES = [(3, 3, 3, 1, 2, 3), (4, 0, 2, 1, 3, 3), (0, 0, 0, 0, 0, 0)]


class Small(SearchSpace):
    """A network of few layers, by its one decision: a plain one, one with biases, one with attention."""

    name = "small"
    choices = (3,)
    is_shareable = True

    def build(self, arch, task):
        return SmallNetwork(arch[0], task.num_outputs)


class SmallNetwork(nn.Module):
    def __init__(self, kind, outputs):
        super().__init__()
        self.kind = kind
        self.first = nn.Conv2d(3, 8, 3, bias=kind == 1)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, groups=2, bias=False)
        self.head = nn.Linear(8, outputs)

    def forward(self, inputs):
        features = self.second(torch.relu(self.norm(self.first(inputs))))
        if self.kind == 2:
            tokens = features.flatten(2).mT
            features = nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).mT
        return self.head(torch.relu(features.flatten(2).mean(2)))


def scores(names, archs, ctx):
    """Return the scores as bytes, by proxy."""
    members = [ZeroCost(name, batch_size=6) for name in names]
    try:
        table = members[0].score_group(members, archs, ctx)
    except PartialScoringError as failed:
        table = np.array(failed.scores)
    table = np.reshape(table, (len(archs), len(names)))
    return {name: table[:, k].tobytes() for k, name in enumerate(names)}


@pytest.mark.parametrize(("space", "archs"), [(CELLS, CODES), (Small(), [(0,), (1,), (2,)])], ids=["cells", "small"])
@pytest.mark.parametrize("without", [(), ("grasp",), ("nwot", "jacov", "epe_nas", "snip")])
def test_scores_are_those_of_each_proxy_alone(tmp_path, space, archs, without):
    ctx = Context(space, TASK, tmp_path)
    asked = [name for name in SHARING if name not in without]
    alone = {name: scores([name], archs, ctx)[name] for name in asked}
    for order in (asked[::-1], [*asked[3:], "zen", "synflow", *asked[:3]]):
        together = scores(order, archs, ctx)
        assert {name: together[name] for name in asked} == alone


def test_one_forward_pass_is_enough_for_all(tmp_path, monkeypatch):
    passes = []
    forward = CellNetwork.forward

    def counted(self, *inputs):
        passes.append(torch.is_grad_enabled())
        return forward(self, *inputs)

    monkeypatch.setattr(CellNetwork, "forward", counted)
    scores(SHARING, CODES[:1], Context(CELLS, TASK, tmp_path))
    assert passes == [True]


def test_graphs_are_let_go_before_a_proxy_spoils_the_network(tmp_path, monkeypatch):
    kept = []

    def spy(network, probe):
        kept.extend(sorted(values) for values in probe._known.values())
        return 0.0

    monkeypatch.setitem(PROXIES._entries, "zen", replace(PROXIES["zen"], function=spy))
    scores([*SHARING, "zen"], CODES[:1], Context(CELLS, TASK, tmp_path))
    assert kept == [["backward", "jacobian"]]


@pytest.mark.parametrize(("kind", "is_exact"), [(0, True), (1, False), (2, False)])
def test_fast_second_derivatives_say_whether_first_gradients_are_exact(kind, is_exact):
    torch.manual_seed(0)
    network, inputs = SmallNetwork(kind, 3), torch.randn(6, 3, 8, 8)
    plain = torch.autograd.grad(network(inputs).square().sum(), network.parameters())
    with FastSecondDerivatives() as fast:
        outputs = network(inputs)
    assert fast.is_exact == is_exact
    if is_exact:
        gradients = torch.autograd.grad(outputs.square().sum(), network.parameters(), create_graph=True)
        assert all(torch.equal(a, b) for a, b in zip(plain, gradients, strict=True))
