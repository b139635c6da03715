"""az_expressivity, az_progressivity, az_trainability: the three network proxies of AZ-NAS."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.computed_weights import copy_network
from archsieve.estimators.zero_cost.embeddings import with_real_inputs
from archsieve.estimators.zero_cost.own_weights import require_layers
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import LAYERS, check_finite, check_outputs, gradients
from archsieve.estimators.zero_cost.watching import SettableGradients
from archsieve.networks.outputs import first_tensor, outputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from archsieve.estimators.zero_cost.proxy import Probe

SOURCE = "arXiv 2403.19232"
INIT = "Kaiming normal weights"
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class BlockReading(NamedTuple):
    """By block, the entropy of the features and the largest singular value of the Jacobian; None for an identity."""

    entropies: list[float]
    singular_values: list[float | None]


@proxy(spoils=False, needs=("gradients",), passes=2, init=INIT, source=SOURCE)
def az_expressivity(network: nn.Module, probe: Probe) -> float:
    """Return the sum over blocks of the entropy of the features' principal components; in [0, inf).

    The entropy is that of the covariance's eigenvalues over all positions of all items, divided by their sum. The
    input is Gaussian noise, the weights are drawn anew from N(0, 2 / fan-in). Source: Lee and Ham, "AZ-NAS", arXiv
    2403.19232. Its aggregate is the estimator `az_nas`.

    The paper's "primary blocks" are here the outermost modules that hold others, sequences and lists apart (a cell, an
    inverted residual, a transformer's layer); in a plain sequence of layers, its convolutions and linear layers. What
    gets tokens alone is no block.

    Raises:
        ScoringError: the network has no block, or multiplies by weights outside of layers.
    """
    return sum(_reading(network, probe).entropies)


@proxy(spoils=False, needs=("gradients",), passes=2, init=INIT, source=SOURCE)
def az_progressivity(network: nn.Module, probe: Probe) -> float:
    """Return the smallest increase of that entropy from one block to the next; any real number.

    Source and details: see `az_expressivity`.

    Raises:
        ScoringError: the network has fewer than two blocks.
    """
    entropies = _reading(network, probe).entropies
    if len(entropies) < 2:
        raise ScoringError("az_progressivity compares blocks, but this network has only one.")
    return min(after - before for before, after in pairwise(entropies))


@proxy(spoils=False, needs=("gradients",), passes=2, init=INIT, source=SOURCE)
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
    return probe.once(network, "az_nas", lambda: _read(*with_real_inputs(copy_network(network), probe)))


class _Calls:
    """The calls of a network's blocks: each block's input, detached from earlier blocks, and its output."""

    def __init__(self, network: nn.Module, probe: Probe) -> None:
        self.modules: list[nn.Module] = []
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self._probe = probe
        self._open: list[Tensor | None] = []
        for block in primary_blocks(network):
            block.register_forward_pre_hook(self._cut, with_kwargs=True)
            block.register_forward_hook(self._keep)

    def _cut(self, module: nn.Module, arguments: Any, named: Any) -> tuple[Any, Any]:
        """Detach every tensor argument of a block; later arguments come from other blocks with their own Jacobians."""
        leaves: list[Tensor] = []
        whole: list[Tensor] = []

        def cut(tensor: Tensor) -> Tensor:
            if not tensor.is_floating_point():
                whole.append(tensor)
            if leaves or not tensor.is_floating_point():
                return tensor.detach()
            leaves.append(tensor.detach().requires_grad_())
            return self._probe.apart(leaves[0])

        cut_arguments = _mapped(arguments, cut), _mapped(named, cut)
        if not leaves and not whole:
            raise ScoringError(f"AZ-NAS reads the input of each block, but the {type(module).__name__} gets no tensor.")
        self._open += leaves or [None]  # what gets tokens alone, such as an embedding, is no block
        return cut_arguments

    def _keep(self, module: nn.Module, arguments: object, output: object) -> None:
        opened = self._open.pop()
        if opened is None:
            return
        self.modules.append(module)
        self.inputs.append(opened)
        self.outputs.append(self._probe.apart(first_tensor(output)))


def _mapped(arguments: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return arguments with a function applied to every tensor, including those in lists, tuples and dictionaries."""
    if isinstance(arguments, Tensor):
        return change(arguments)
    if isinstance(arguments, dict):
        return {name: _mapped(value, change) for name, value in arguments.items()}
    if isinstance(arguments, list | tuple):
        values = [_mapped(value, change) for value in arguments]
        return type(arguments)(*values) if hasattr(arguments, "_fields") else type(arguments)(values)
    return arguments


def _read(network: nn.Module, probe: Probe) -> BlockReading:
    """Run noise forward through the network, and random signs backward through each block separately."""
    require_layers(network, "AZ-NAS")
    _draw_kaiming(network, probe)
    calls = _Calls(network, probe)
    with SettableGradients():
        check_outputs(outputs_of(network, probe.noise("az_nas")))
    if not calls.modules:
        raise ScoringError("AZ-NAS reads a network block by block, and this network has no block.")
    check_finite("features", *calls.outputs)
    signs = [_signs(output, probe, i) for i, output in enumerate(calls.outputs)]
    total = torch.stack([(output * v).sum() for output, v in zip(calls.outputs, signs, strict=True)]).sum()
    backward = gradients(total, calls.inputs)
    return BlockReading(
        [_entropy(_channels_first(*call)) for call in zip(calls.modules, calls.outputs, strict=True)],
        [
            None if torch.equal(g, v) else _singular_value(_channels_first(module, g), _channels_first(module, v))
            for module, g, v in zip(calls.modules, backward, signs, strict=True)
        ],
    )


def primary_blocks(network: nn.Module) -> Sequence[nn.Module]:
    """Return the outermost modules that contain modules; in a plain sequence, its convolutions and linear layers."""
    blocks = _outermost(network)
    while len(blocks) == 1:  # a wrapper
        blocks = _outermost(blocks[0])
    return list(dict.fromkeys(blocks)) or [m for m in network.modules() if isinstance(m, LAYERS)]


def _outermost(container: nn.Module) -> list[nn.Module]:
    """Return the outermost modules that contain modules; one in several places as often as it stands there."""
    blocks = []
    for child in container._modules.values():
        if child is None:
            continue
        if type(child) in _CONTAINERS:
            blocks += _outermost(child)
        elif any(True for _ in child.children()):
            blocks.append(child)
    return blocks


def _draw_kaiming(network: nn.Module, probe: Probe) -> None:
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, LAYERS):
                weight = torch.empty(module.weight.shape, dtype=torch.float32)
                nn.init.kaiming_normal_(weight, generator=probe.generator("init", "az_nas", name))
                module.weight.copy_(weight)
                if module.bias is not None:
                    module.bias.zero_()


def _signs(output: Tensor, probe: Probe, block: int) -> Tensor:
    generator = probe.generator("noise", "az_nas", block)
    bits = torch.randint(2, output.shape, generator=generator, dtype=torch.int8)
    return torch.empty_like(output).copy_(2 * bits - 1)


def _channels_first(block: nn.Module, tensor: Tensor) -> Tensor:
    """Return features as (n, c, positions...); blocks without a convolution have their channels last."""
    has_convolution = any(isinstance(m, nn.modules.conv._ConvNd) for m in block.modules())
    return tensor if has_convolution or tensor.dim() <= 2 else tensor.movedim(-1, 1)


def _entropy(features: Tensor) -> float:
    rows = features.detach().movedim(1, -1).flatten(0, -2)
    values = torch.linalg.eigvalsh(torch.cov(rows.T).reshape(rows.shape[1], -1).cpu().double()).clamp(min=0)
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum()) if values.sum() > 0 else 0.0


def _singular_value(backward: Tensor, signs: Tensor) -> float:
    """Return the largest singular value of the position mean of the gradient (n, c, ...) times signs (n, d, ...).

    Raises:
        ScoringError: the block takes and gives positions of another number of sides.
    """
    if backward.dim() != signs.dim():
        raise ScoringError(
            f"AZ-NAS compares positions, and a block maps inputs of shape {tuple(backward.shape)} to outputs of shape "
            f"{tuple(signs.shape)}."
        )
    grid = [min(a, b) for a, b in zip(backward.shape[2:], signs.shape[2:], strict=True)]
    rows, columns = _by_position(backward, grid), _by_position(signs, grid)
    return float(torch.linalg.matrix_norm(rows.T @ columns / len(rows), 2))


def _by_position(tensor: Tensor, grid: Sequence[int]) -> Tensor:
    """Return (n * grid positions, channels); values that share a grid position become channels."""
    for axis, places in enumerate(grid):
        dim = 2 + axis
        each = tensor.shape[dim] // places
        # (n, c, ..., places, each, ...) with `each` moved to the channels
        split = torch.unflatten(tensor.narrow(dim, 0, places * each), dim, (places, each))
        tensor = split.movedim(dim + 1, 1).flatten(1, 2)
    return tensor.movedim(1, -1).flatten(0, -2)
