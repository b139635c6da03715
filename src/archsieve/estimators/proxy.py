"""What a zero-cost proxy is: a function of a network and a probe; and the pieces several proxies share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

import torch
from torch import Tensor, nn

from archsieve.errors import ScoringError
from archsieve.networks import torch_generator
from archsieve.registry import PROXIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from archsieve.randomness import Purpose

Need: TypeAlias = Literal["data", "labels"]
ProxyFunction: TypeAlias = "Callable[[nn.Module, Probe], float]"


@dataclass(frozen=True)
class Probe:
    """What a proxy may look at besides the network; every architecture gets the same.

    Args:
        batches: (inputs, targets) on the network's device, un-augmented.
        loss: the task's loss.
        num_outputs: outputs of the network.
        seed: the run's seed.
    """

    batches: tuple[tuple[Tensor, Tensor], ...]
    loss: Callable[[Tensor, Tensor], Tensor]
    num_outputs: int
    seed: int = 0

    @property
    def inputs(self) -> Tensor:
        """Inputs of the first batch, shape (n, ...)."""
        return self.batches[0][0]

    @property
    def targets(self) -> Tensor:
        """Targets of the first batch."""
        return self.batches[0][1]

    def generator(self, purpose: Purpose, *path: str | int) -> torch.Generator:
        """Return a generator on the CPU for a purpose and place."""
        return torch_generator(self.seed, purpose, *path)


@dataclass(frozen=True)
class Proxy:
    """A published proxy: what it needs beyond the network, and a version raised whenever its scores change."""

    function: ProxyFunction
    needs: tuple[Need, ...] = ()
    version: int = 1

    def __call__(self, network: nn.Module, probe: Probe) -> float:
        """Return the score, higher is better; the network is spoilt."""
        return float(self.function(network, probe))


@overload
def proxy(function: ProxyFunction, /) -> ProxyFunction: ...
@overload
def proxy(*, needs: tuple[Need, ...] = ..., version: int = ...) -> Callable[[ProxyFunction], ProxyFunction]: ...


def proxy(
    function: ProxyFunction | None = None, /, *, needs: tuple[Need, ...] = (), version: int = 1
) -> ProxyFunction | Callable[[ProxyFunction], ProxyFunction]:
    """Publish a function as the proxy of its own name.

    The network it gets is in training mode and may be spoilt; higher must be better. It raises `ScoringError` for a
    network it cannot score.
    """

    def decorate(function: ProxyFunction) -> ProxyFunction:
        PROXIES.add(function.__name__, Proxy(function, needs, version))
        return function

    return decorate if function is None else decorate(function)


def weights(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights of all convolutions and linear layers by layer name: no biases, no normalisation."""
    kinds = (nn.modules.conv._ConvNd, nn.Linear)
    return {name: m.weight for name, m in network.named_modules() if isinstance(m, kinds)}


def gradients(output: Tensor, inputs: Sequence[Tensor], *, create_graph: bool = False) -> list[Tensor]:
    """Return the gradients of a scalar; zeros where it does not depend on an input.

    Raises:
        ScoringError: it depends on none of them.
    """
    if not output.requires_grad:
        raise ScoringError("The network's output depends on none of its weights or inputs.")
    found = torch.autograd.grad(output, inputs, create_graph=create_graph, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)]


def loss_gradients(
    network: nn.Module, probe: Probe, *, create_graph: bool = False
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the weights of convolutions and linear layers and the gradients of the loss on the first batch."""
    layers = list(weights(network).values())
    loss = probe.loss(network(probe.inputs), probe.targets)
    return layers, gradients(loss, layers, create_graph=create_graph)


def input_jacobian(network: nn.Module, probe: Probe) -> Tensor:
    """Return the gradient of the summed outputs with respect to each input, (n, input size), float64 on the CPU."""
    inputs = probe.inputs.clone().requires_grad_(True)
    (jacobian,) = gradients(network(inputs).sum(), [inputs])
    return jacobian.flatten(1).cpu().double()


def correlation(rows: Tensor) -> Tensor:
    """Return the correlation matrix of the rows, (n, n).

    Raises:
        ScoringError: a row is constant, so that it has no correlation.
    """
    matrix = torch.corrcoef(rows).reshape(len(rows), len(rows))
    if not bool(matrix.isfinite().all()):
        raise ScoringError("The outputs do not depend on every input: a row of the Jacobian is constant.")
    return matrix
