"""What a zero-cost proxy is: a function of a network and a probe; and the pieces several proxies share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar, cast, overload
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from archsieve.errors import ScoringError
from archsieve.networks import drawing, torch_generator
from archsieve.randomness import derive_seed
from archsieve.registry import PROXIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from archsieve.estimators.meter import Meter
    from archsieve.randomness import Purpose

T = TypeVar("T")
Need: TypeAlias = Literal["data", "labels"]
ProxyFunction: TypeAlias = "Callable[[nn.Module, Probe], float]"
MeterFactory: TypeAlias = "Callable[[nn.Module, Probe], Meter[Any]]"


LAYERS = (nn.modules.conv._ConvNd, nn.Linear)
"""The layers whose weights and outputs proxies count."""


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
    _known: WeakKeyDictionary[nn.Module, dict[str, Any]] = field(default_factory=WeakKeyDictionary, repr=False)

    def once(self, network: nn.Module, what: str, compute: Callable[[], T]) -> T:
        """Return what `compute` gives for this network, computed by the first proxy that asks."""
        known = self._known.setdefault(network, {})
        if what not in known:
            with drawing(derive_seed(self.seed, "noise", "forward"), str(self.inputs.device)):
                known[what] = compute()
        return cast("T", known[what])

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
    """A published proxy, with a version that is raised whenever its scores change.

    `needs` names what of the data its score depends on; without, the shapes of the probe's tensors may be used.

    `meter` scores a network piece by piece where the proxy only looks at forward passes (see
    `archsieve.estimators.meter`); it must give what the function gives. `spoils` is false where the function leaves
    the network as it was, running statistics apart.
    """

    function: ProxyFunction
    needs: tuple[Need, ...] = ()
    version: int = 1
    meter: MeterFactory | None = None
    spoils: bool = True

    def __call__(self, network: nn.Module, probe: Probe) -> float:
        """Return the score, higher is better; the network is spoilt where `spoils`."""
        return float(self.function(network, probe))


@overload
def proxy(function: ProxyFunction, /) -> ProxyFunction: ...
@overload
def proxy(
    *, needs: tuple[Need, ...] = ..., version: int = ..., meter: MeterFactory | None = ..., spoils: bool = ...
) -> Callable[[ProxyFunction], ProxyFunction]: ...


def proxy(
    function: ProxyFunction | None = None,
    /,
    *,
    needs: tuple[Need, ...] = (),
    version: int = 1,
    meter: MeterFactory | None = None,
    spoils: bool = True,
) -> ProxyFunction | Callable[[ProxyFunction], ProxyFunction]:
    """Publish a function as the proxy of its own name.

    The network it gets is in training mode and may be spoilt; higher must be better. It raises `ScoringError` for a
    network it cannot score.
    """

    def decorate(function: ProxyFunction) -> ProxyFunction:
        PROXIES.add(function.__name__, Proxy(function, needs, version, meter, spoils))
        return function

    return decorate if function is None else decorate(function)


def weights(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights of all convolutions and linear layers by layer name: no biases, no normalisation."""
    return {name: m.weight for name, m in network.named_modules() if isinstance(m, LAYERS)}


def gradients(output: Tensor, inputs: Sequence[Tensor], *, create_graph: bool = False) -> list[Tensor]:
    """Return the gradients of a scalar; zeros where it does not depend on one, or that is frozen.

    Raises:
        ScoringError: it depends on none of them.
    """
    wanted = [x for x in inputs if x.requires_grad]  # a frozen layer has no gradient
    if not output.requires_grad or not wanted:
        raise ScoringError("The network's output depends on none of its weights or inputs.")
    found = iter(torch.autograd.grad(output, wanted, create_graph=create_graph, allow_unused=True))
    known = [next(found) if x.requires_grad else None for x in inputs]
    return [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, known, strict=True)]


class BackwardPass(NamedTuple):
    """One backward pass of the loss on the first batch, through all convolutions and linear layers.

    `weights` holds (weight, gradient) of each, `outputs` (layer, output, gradient) of each call.
    """

    weights: list[tuple[Tensor, Tensor]]
    outputs: list[tuple[nn.Module, Tensor, Tensor]]


def backward_pass(network: nn.Module, probe: Probe) -> BackwardPass:
    """Return the backward pass of a network; proxies asked for together share it."""
    return probe.once(network, "backward", lambda: _backward(network, probe))


def _backward(network: nn.Module, probe: Probe) -> BackwardPass:
    calls: list[tuple[nn.Module, Tensor]] = []
    layers = [m for m in network.modules() if isinstance(m, LAYERS)]
    handles = [m.register_forward_hook(lambda module, inputs, output: calls.append((module, output))) for m in layers]
    try:
        loss = probe.loss(network(probe.inputs), probe.targets)
    finally:
        for handle in handles:
            handle.remove()
    tensors = list(weights(network).values())
    found = gradients(loss, [*tensors, *(output for _, output in calls)])
    by_weight, by_output = found[: len(tensors)], found[len(tensors) :]
    return BackwardPass(
        [(w.detach(), g) for w, g in zip(tensors, by_weight, strict=True)],
        [(module, output.detach(), g) for (module, output), g in zip(calls, by_output, strict=True)],
    )


def input_jacobian(network: nn.Module, probe: Probe) -> Tensor:
    """Return the gradient of the summed outputs with respect to each input, (n, input size), float64 on the CPU."""

    def jacobian() -> Tensor:
        inputs = probe.inputs.clone().requires_grad_(True)
        (gradient,) = gradients(network(inputs).sum(), [inputs])
        return gradient.flatten(1).cpu().double()

    return probe.once(network, "jacobian", jacobian)


def correlation(rows: Tensor) -> Tensor:
    """Return the correlation matrix of the rows, (n, n).

    Raises:
        ScoringError: a row is constant, so that it has no correlation.
    """
    matrix = torch.corrcoef(rows).reshape(len(rows), len(rows))
    if not bool(matrix.isfinite().all()):
        raise ScoringError("The outputs do not depend on every input: a row of the Jacobian is constant.")
    return matrix
