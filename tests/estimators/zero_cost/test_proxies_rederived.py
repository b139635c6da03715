"""Proxies against slow derivations of another kind, in double precision, on one small convolutional network."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from archsieve.registry import PROXIES
from estimators.tiny import convolutional, pictures


def layer_names(network):
    return [name for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def loss_of(network, data, changed):
    """Return the loss with some parameters replaced; statistics are those of the batch."""
    return data.loss(functional_call(copy.deepcopy(network), changed, (data.inputs,)), data.targets)


def weights_of(network):
    return {f"{name}.weight": network.get_submodule(name).weight.detach() for name in layer_names(network)}


@pytest.mark.parametrize("name", ["snip", "plain"])
def test_snip_and_plain_by_a_mask(name):
    network, data = convolutional(), pictures()
    weights = weights_of(network)
    masks = {key: torch.ones_like(w, requires_grad=True) for key, w in weights.items()}
    loss_of(network, data, {key: weights[key] * masks[key] for key in weights}).backward()
    slopes = torch.cat([mask.grad.flatten() for mask in masks.values()])
    expected = slopes.abs().sum() if name == "snip" else slopes.sum()
    assert PROXIES[name](convolutional(), data) == pytest.approx(expected.item(), rel=1e-9, abs=1e-12)


def test_grad_norm_by_differences():
    network, data = convolutional(), pictures()
    expected, step = 0.0, 1e-5
    for key, weight in weights_of(network).items():
        slopes = []
        for i in range(weight.numel()):
            moved = torch.zeros(weight.numel(), dtype=torch.float64)
            moved[i] = step
            moved = moved.view_as(weight)
            rise = loss_of(network, data, {key: weight + moved}) - loss_of(network, data, {key: weight - moved})
            slopes.append(rise.item() / (2 * step))
        expected += float(np.linalg.norm(slopes))
    assert PROXIES["grad_norm"](convolutional(), data) == pytest.approx(expected, rel=1e-5)


def test_grasp_by_the_whole_hessian():
    network, data = convolutional(), pictures()
    weights = weights_of(network)
    flat = torch.cat([w.flatten() for w in weights.values()])

    def loss(vector):
        parts = vector.split([w.numel() for w in weights.values()])
        changed = {key: p.view_as(w) for (key, w), p in zip(weights.items(), parts, strict=True)}
        return loss_of(network, data, changed)

    hessian = torch.autograd.functional.hessian(loss, flat)
    gradient = torch.autograd.functional.jacobian(loss, flat)
    assert PROXIES["grasp"](convolutional(), data) == pytest.approx(-(flat @ hessian @ gradient).item(), rel=1e-8)


def test_fisher_by_a_gate_for_each_picture_and_channel():
    network, data = convolutional(), pictures()
    gates = {}

    def gate(module, inputs, output):
        shape = (*output.shape[:2], *(1,) * (output.dim() - 2))
        gates[module] = torch.ones(shape, dtype=torch.float64, requires_grad=True)
        return output * gates[module]

    for name in layer_names(network):
        network.get_submodule(name).register_forward_hook(gate)
    data.loss(network(data.inputs), data.targets).backward()
    expected = 0.0
    for module, opened in gates.items():
        for channel in range(opened.shape[1]):
            squares = [opened.grad[picture, channel].item() ** 2 for picture in range(len(opened))]
            expected += 0.5 * sum(squares) / len(squares) * module.weight[channel].numel()
    assert len(gates) == 4
    assert PROXIES["fisher"](convolutional(), data) == pytest.approx(expected, rel=1e-9)


def full_jacobian(network, data):
    """Return rows: the slope of the sum of all outputs of all pictures by each picture."""
    jacobian = torch.autograd.functional.jacobian(copy.deepcopy(network), data.inputs)
    return jacobian.sum((0, 1)).flatten(1).numpy()


def correlate(one, other):
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / math.sqrt((one**2).sum() * (other**2).sum()))


def test_jacov_by_the_full_jacobian():
    network, data = convolutional(), pictures()
    rows = full_jacobian(network, data)
    matrix = np.array([[correlate(a, b) for b in rows] for a in rows])
    values = np.linalg.eigvals(matrix).real + 1e-5
    expected = 0.0
    for value in values:
        expected -= math.log(value) + 1 / value
    assert PROXIES["jacov"](convolutional(), data) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("classes", [3, 101])
def test_epe_nas_by_loops(classes):
    network, data = convolutional(classes), pictures(classes=3)
    data = type(data)(data.batches, data.loss, classes)
    rows, labels = full_jacobian(network, data), data.targets.tolist()
    sums, sizes = [], []
    for label in sorted(set(labels)):
        members = [row for row, found in zip(rows, labels, strict=True) if found == label]
        terms = [math.log(abs(correlate(a, b)) + 1e-5) for a in members for b in members]
        sums.append(sum(terms))
        sizes.append(len(terms))
    if classes <= 100:
        expected = sum(abs(s) for s in sums)
    else:
        means = [s / n for s, n in zip(sums, sizes, strict=True)]
        expected = sum(abs(means[i] - means[j]) for i in range(3) for j in range(i)) / 3
    assert PROXIES["epe_nas"](convolutional(classes), data) == pytest.approx(expected, rel=1e-6)


def test_nwot_by_loops():
    network, data = convolutional(), pictures()
    patterns = [[] for _ in data.inputs]

    def watch(module, inputs, output):
        for picture, values in enumerate(output):
            patterns[picture] += (values > 0).flatten().tolist()

    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(watch)
    network(data.inputs)
    kernel = np.array([[sum(a == b for a, b in zip(p, q, strict=True)) for q in patterns] for p in patterns])
    assert len(patterns[0]) == 3 * 36 + 4 * 9 + 4 * 9
    assert PROXIES["nwot"](convolutional(), data) == pytest.approx(math.log(abs(np.linalg.det(kernel))), rel=1e-9)


def test_synflow_by_leaving_each_layer_out():
    # With everything positive every ReLU passes, and the outputs are linear in each layer's weights: sum W dR/dW is
    # what R loses without them.
    network = nn.Sequential(*(nn.Identity() if isinstance(m, nn.BatchNorm2d) else m for m in convolutional()))
    with torch.no_grad():
        for p in network.parameters():
            p.abs_()
    ones = torch.ones(1, 2, 6, 6, dtype=torch.float64)

    def flow(without=None):
        pruned = copy.deepcopy(network)
        if without:
            nn.init.zeros_(pruned.get_submodule(without).weight)
        return pruned(ones).sum().item()

    expected = sum(flow() - flow(without=name) for name in layer_names(network))
    assert PROXIES["synflow"](convolutional(), pictures()) == pytest.approx(expected, rel=1e-9)
    assert PROXIES["synflow_log"](convolutional(), pictures()) == pytest.approx(math.log(expected), rel=1e-9)


def test_synflow_bn_by_differences():
    network, step = convolutional(), 1e-6
    with torch.no_grad():
        for p in network.parameters():
            p.abs_()
    ones = torch.ones(1, 2, 6, 6, dtype=torch.float64)
    expected = 0.0
    for key, weight in weights_of(network).items():
        for i in range(weight.numel()):
            moved = weight.clone()
            moved.view(-1)[i] += step
            down = weight.clone()
            down.view(-1)[i] -= step
            rise = [functional_call(copy.deepcopy(network), {key: w}, (ones,)).sum().item() for w in (moved, down)]
            expected += abs(weight.flatten()[i].item() * (rise[0] - rise[1]) / (2 * step))
    assert PROXIES["synflow_bn"](convolutional(), pictures()) == pytest.approx(expected, rel=1e-5)


def test_zen_by_own_hooks():
    network, data = convolutional().float(), pictures()
    score = PROXIES["zen"](network, data)  # the network now holds the weights that were drawn
    noise = data.generator("noise", "zen")
    first = torch.randn(data.inputs.shape, generator=noise)
    second = first + 0.01 * torch.randn(data.inputs.shape, generator=noise)
    norms = [m for m in network if isinstance(m, nn.BatchNorm2d)]
    seen = {norm: [] for norm in norms}

    def watch(module, inputs, output):  # unbiased, as running statistics are
        seen[module].append(inputs[0].transpose(0, 1).flatten(1).double().numpy().var(axis=1, ddof=1))

    for norm in norms:
        norm.register_forward_hook(watch)
    with torch.no_grad():
        features = [network[:8](x).double().numpy() for x in (first, second)]
    moved = np.abs(features[0] - features[1]).sum(axis=(1, 2, 3)).mean()
    expected = math.log(moved)
    for one, other in seen.values():
        expected += math.log(math.sqrt(np.mean(0.81 + 0.09 * one + 0.1 * other)))
    assert len(seen) == 2
    assert score == pytest.approx(expected, rel=1e-5)


def test_zen_draws_weights_by_name_and_seed():
    drawn = []
    for seed in (0, 0, 1):
        network, data = convolutional().float(), pictures()
        PROXIES["zen"](network, type(data)(data.batches, data.loss, data.num_outputs, seed))
        drawn.append(network[3].weight)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_l2_norm_by_numpy():
    network = convolutional()
    expected = sum(np.sqrt((w.numpy() ** 2).sum()) for w in weights_of(network).values())
    assert PROXIES["l2_norm"](network, pictures()) == pytest.approx(expected, rel=1e-12)
