"""az_expressivity, az_progressivity, az_trainability: the three network proxies of AZ-NAS."""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from archsieve.errors import ScoringError
from archsieve.estimators.proxy import proxy
from archsieve.estimators.readings import LAYERS, gradients
from archsieve.networks import first_tensor, outputs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.proxy import Probe

SOURCE = "arXiv 2403.19232"
INIT = "Kaiming normal weights"
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class BlockReading(NamedTuple):
    """Per block the entropy of its features and the largest singular value of its Jacobian; None for an identity."""

    entropies: list[float]
    singular_values: list[float | None]


@proxy(spoils=False, needs=("gradients",), init=INIT, source=SOURCE)
def az_expressivity(network: nn.Module, probe: Probe) -> float:
    """Return the sum over blocks of the entropy of the features' principal components; in [0, inf).

    The entropy is that of the covariance's eigenvalues over all positions of all items, divided by their sum. The
    input is Gaussian noise, the weights are drawn anew from N(0, 2 / fan-in). Source: Lee and Ham, "AZ-NAS", arXiv
    2403.19232. Its aggregate is the estimator `az_nas`.

    The paper's "primary blocks" are here the outermost modules that hold others, sequences and lists apart (a cell, an
    inverted residual, a transformer's layer); in a plain sequence of layers, its convolutions and linear layers.

    Raises:
        ScoringError: the network has no block.
    """
    return sum(_reading(network, probe).entropies)


@proxy(spoils=False, needs=("gradients",), init=INIT, source=SOURCE)
def az_progressivity(network: nn.Module, probe: Probe) -> float:
    """Return the least rise of that entropy from one block to the next; any real number.

    Source and details: see `az_expressivity`.

    Raises:
        ScoringError: the network has fewer than two blocks.
    """
    entropies = _reading(network, probe).entropies
    if len(entropies) < 2:
        raise ScoringError("az_progressivity compares blocks, and this network has one.")
    return min(after - before for before, after in pairwise(entropies))


@proxy(spoils=False, needs=("gradients",), init=INIT, source=SOURCE)
def az_trainability(network: nn.Module, probe: Probe) -> float:
    """Return the mean over blocks of 2 - s - 1/s, s the largest singular value of the block's Jacobian; in [-inf, 0].

    The Jacobian is estimated by one backward pass of random signs v through each block: the mean over items and
    positions of (J^T v) v^T. Where the block changes resolution, the finer side's neighbours count as channels. A block
    that is the identity has nothing to train: -inf. Source and details: see `az_expressivity`.
    """
    values = _reading(network, probe).singular_values
    if any(s is None or s == 0 for s in values):
        return -math.inf
    return sum(2 - s - 1 / s for s in values if s) / len(values)


def _reading(network: nn.Module, probe: Probe) -> BlockReading:
    return probe.once(network, "az_nas", lambda: _read(copy.deepcopy(network), probe))


def _read(network: nn.Module, probe: Probe) -> BlockReading:
    """Run noise forward through the network and signs backward through each block alone."""
    _draw_kaiming(network, probe)
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def cut(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        # What else a block gets is cut off too: it comes from other blocks, whose Jacobians are their own.
        others = (a.detach() if isinstance(a, Tensor) else a for a in arguments[1:])
        return (arguments[0].detach().requires_grad_(), *others)

    def keep(module: nn.Module, arguments: tuple[Tensor, ...], output: object) -> None:
        calls.append((module, arguments[0], first_tensor(output)))

    for block in _blocks(network):
        block.register_forward_pre_hook(cut)
        block.register_forward_hook(keep)
    outputs_of(network, probe.noise("az_nas"))
    if not calls:
        raise ScoringError("AZ-NAS reads a network block by block, and this network has no block.")
    signs = [_signs(output, probe, i) for i, (_, _, output) in enumerate(calls)]
    total = torch.stack([(output * v).sum() for (_, _, output), v in zip(calls, signs, strict=True)]).sum()
    backward = gradients(total, [inputs for _, inputs, _ in calls])
    return BlockReading(
        [_entropy(_channels_first(module, output.detach())) for module, _, output in calls],
        [
            None if torch.equal(g, v) else _singular_value(_channels_first(module, g), _channels_first(module, v))
            for (module, _, _), g, v in zip(calls, backward, signs, strict=True)
        ],
    )


def _blocks(network: nn.Module) -> Sequence[nn.Module]:
    found = _outermost(network)
    while len(found) == 1:  # a wrapper
        found = _outermost(found[0])
    return found or [m for m in network.modules() if isinstance(m, LAYERS)]


def _outermost(container: nn.Module) -> list[nn.Module]:
    found = []
    for child in container.children():
        if type(child) in _CONTAINERS:
            found += _outermost(child)
        elif any(True for _ in child.children()):
            found.append(child)
    return found


def _draw_kaiming(network: nn.Module, probe: Probe) -> None:
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, LAYERS):
                drawn = torch.empty(module.weight.shape)
                nn.init.kaiming_normal_(drawn, generator=probe.generator("init", "az_nas", name))
                module.weight.copy_(drawn)
                if module.bias is not None:
                    module.bias.zero_()


def _signs(output: Tensor, probe: Probe, block: int) -> Tensor:
    generator = probe.generator("noise", "az_nas", block)
    drawn = torch.randint(2, output.shape, generator=generator, dtype=torch.int8)
    return torch.empty_like(output).copy_(2 * drawn - 1)


def _channels_first(block: nn.Module, tensor: Tensor) -> Tensor:
    """Return (n, c, positions...); a block without a convolution has its channels last."""
    has_convolution = any(isinstance(m, nn.modules.conv._ConvNd) for m in block.modules())
    return tensor if has_convolution or tensor.dim() <= 2 else tensor.movedim(-1, 1)


def _entropy(features: Tensor) -> float:
    rows = features.movedim(1, -1).flatten(0, -2)
    values = torch.linalg.eigvalsh(torch.cov(rows.T).reshape(rows.shape[1], -1).double()).clamp(min=0)
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum()) if values.sum() > 0 else 0.0


def _singular_value(backward: Tensor, signs: Tensor) -> float:
    """Return the largest singular value of the mean over positions of backward (n, c, ...) times signs (n, d, ...)."""
    grid = [min(a, b) for a, b in zip(backward.shape[2:], signs.shape[2:], strict=True)]
    rows, columns = _by_position(backward, grid), _by_position(signs, grid)
    return float(torch.linalg.matrix_norm(rows.T @ columns / len(rows), 2))


def _by_position(tensor: Tensor, grid: Sequence[int]) -> Tensor:
    """Return (n * positions of the grid, channels), with what lies in one place of the grid as its channels."""
    for axis, places in enumerate(grid):
        dim = 2 + axis
        each = tensor.shape[dim] // places
        # (n, c, ..., places, each, ...) with `each` moved to the channels
        split = torch.unflatten(tensor.narrow(dim, 0, places * each), dim, (places, each))
        tensor = split.movedim(dim + 1, 1).flatten(1, 2)
    return tensor.movedim(1, -1).flatten(0, -2)
