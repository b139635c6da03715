"""Measurements of a network shared by several proxies: weights, statistics and gradients."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor, nn

from archsieve.errors import EstimatorError, ScoringError
from archsieve.estimators.zero_cost.own_weights import own_weights
from archsieve.estimators.zero_cost.second_derivatives import FastSecondDerivatives, may_be_exact
from archsieve.estimators.zero_cost.watching import SettableGradients
from archsieve.networks.outputs import first_tensor, main_output, outputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from archsieve.estimators.zero_cost.proxy import Probe

LAYERS = (nn.modules.conv._ConvNd, nn.Linear)
"""The layers whose weights and outputs proxies count."""
FORWARD = "forward"
GRADIENTS = "first gradients"
"""What a probe calls the shared forward pass of a network, and the gradients of its loss."""


def batch_norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Return the batch normalisations of a network."""
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def record_statistics(network: nn.Module, momentum: float) -> None:
    """Make every batch normalisation record running statistics with this momentum.

    The network is put in evaluation mode (dropout is off, however it is written) and its batch normalisation in
    training mode: it goes by the batch.
    """
    _evaluate(network)
    for norm in batch_norms(network):
        norm.train()
        norm.momentum = momentum
        if norm.running_var is None:
            norm.track_running_stats = True
            device = next((p.device for p in network.parameters()), None)
            norm.running_mean = torch.zeros(norm.num_features, device=device)
            norm.running_var = torch.ones(norm.num_features, device=device)
            norm.num_batches_tracked = torch.tensor(0, device=device)


def hold_statistics(network: nn.Module, probe: Probe) -> None:
    """Switch the network to evaluation mode with the first batch's statistics in every batch normalisation."""
    record_statistics(network, momentum=1.0)
    with torch.no_grad():
        outputs_of(network, probe.inputs)
    _evaluate(network)


def _evaluate(network: nn.Module) -> None:
    """Switch the network to evaluation mode; instance normalisation goes by its input, whatever it tracks."""
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.modules.instancenorm._InstanceNorm):
            module.train()


@contextmanager
def one_input(name: str) -> Iterator[None]:
    """Turn the failure of a normalisation on a single input into a clear error.

    Raises:
        ScoringError: it gets one position, so that it has no statistics.
    """
    try:
        yield
    except ValueError as error:  # of torch, or what tells of it
        if "Expected more than 1" not in str(error):  # value per channel, or spatial element, when training
            raise
        reason = error.__cause__ or error
        raise ScoringError(f"{name} normalises a single input, which this network does not allow: {reason}") from error


def weights(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights of all convolutions, linear layers and attention projections by name.

    Parameters by which the network multiplies without such a layer belong to them, where they are marked (see
    `archsieve.estimators.zero_cost.own_weights`). No biases, no normalisation, no tables of embeddings that are only
    looked up. A weight that several layers have is returned once.
    """
    tensors: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, LAYERS):
            tensors[name] = module.weight
        elif isinstance(module, nn.MultiheadAttention):
            own = module.named_parameters(recurse=False)
            tensors.update({f"{name}.{which}": p for which, p in own if which.endswith("proj_weight")})
        if marked := own_weights(module):
            own = module.named_parameters(recurse=False)
            tensors.update({f"{name}.{which}".lstrip("."): p for which, p in own if which in marked})
    first = {id(weight): name for name, weight in reversed(tensors.items())}
    return {name: weight for name, weight in tensors.items() if first[id(weight)] == name}


def check_finite(what: str, *tensors: Tensor) -> None:
    """Check that the tensors a proxy reads hold only finite numbers.

    Raises:
        ScoringError: it holds NaN or infinity.
    """
    if not tensors:
        return
    sums = torch.stack([tensor.detach().sum().float() for tensor in tensors])
    if not bool(sums.isfinite().all()):  # or sums of large numbers overflow
        for tensor in tensors:
            if not bool(tensor.isfinite().all()):
                kind = "NaN" if bool(tensor.isnan().any()) else "infinity"
                raise ScoringError(f"The {what} of the network hold {kind}: a score of them would be meaningless.")


def check_outputs(outputs: object) -> None:
    """Check that a network's main output holds no NaN; outputs without a tensor are not checked.

    Raises:
        ScoringError: it holds one.
    """
    with suppress(ScoringError):
        outputs = main_output(outputs)
    if isinstance(outputs, Tensor) and outputs.is_floating_point() and bool(outputs.isnan().any()):
        raise ScoringError("The outputs of the network hold NaN: a score of it would be meaningless.")


def gradients(
    output: Tensor, inputs: Sequence[Tensor], *, create_graph: bool = False, keep_graph: bool = False
) -> list[Tensor]:
    """Return the gradients of a scalar by each input; zero for inputs without influence and for frozen ones.

    `create_graph` lets them be differentiated again, `keep_graph` the scalar's graph be used again.

    Raises:
        ScoringError: it depends on none of the inputs, or a gradient is not finite.
    """
    if not torch.is_grad_enabled():
        raise EstimatorError("This proxy takes gradients without declaring it: write @proxy(needs=('gradients', ...)).")
    differentiable = [x for x in inputs if x.requires_grad]  # a frozen layer has no gradient
    if not output.requires_grad or not differentiable:
        raise ScoringError("The network's output depends on none of its weights or inputs.")
    slopes = torch.autograd.grad(
        output, differentiable, create_graph=create_graph, retain_graph=create_graph or keep_graph, allow_unused=True
    )
    check_finite("gradients", *(g for g in slopes if g is not None))
    remaining = iter(slopes)
    by_input = [next(remaining) if x.requires_grad else None for x in inputs]
    return [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, by_input, strict=True)]


def loss_of(network: nn.Module, probe: Probe, batch: int = 0) -> Tensor:
    """Return the loss on a batch.

    Raises:
        ScoringError: it is no finite number.
    """
    inputs, targets = probe.batch(batch)
    loss = probe.loss(outputs_of(network, inputs), targets)
    check_finite("losses", loss)
    return loss


class ForwardPass(NamedTuple):
    """One forward pass of the first batch with its graph: inputs, main output, and each layer call.

    `has_fast_curvature` says whether it is one of `FastSecondDerivatives`; its first gradients are then the same.
    """

    inputs: Tensor
    outputs: Tensor
    calls: list[tuple[nn.Module, Tensor]]
    has_fast_curvature: bool


def shared_forward(
    network: nn.Module, probe: Probe, watch: Callable[[], AbstractContextManager[object]] = nullcontext
) -> ForwardPass:
    """Return the forward pass of a network that all proxies of losses and Jacobians share.

    Only where `probe.shared`: the inputs are one tensor of real numbers, and the network leaves them alone. The pass is
    run in the context that `watch` returns, a new one if it must be run again.
    """
    return probe.once(network, FORWARD, lambda: _forward(network, probe, watch))


def _forward(network: nn.Module, probe: Probe, watch: Callable[[], AbstractContextManager[object]]) -> ForwardPass:
    inputs, fast = cast("Tensor", probe.inputs).requires_grad_(True), FastSecondDerivatives()
    is_fast = "curvature" in probe.shared and probe.device == "cpu" and may_be_exact(network)
    mode = fast if is_fast else nullcontext()
    with torch.enable_grad(), watch(), SettableGradients(), mode, _kept_calls(network, probe) as calls:
        outputs = outputs_of(network, inputs)
    if fast.is_exact:
        return ForwardPass(inputs, outputs, calls, is_fast)
    return _forward(network, replace(probe, shared=probe.shared - {"curvature"}), watch)


def first_gradients(network: nn.Module, probe: Probe) -> tuple[list[Tensor], list[Tensor]]:
    """Return the loss gradients with respect to `weights(network)` and to each layer call of the shared forward pass.

    They may be differentiated again where that has fast curvature.
    """

    def compute() -> tuple[list[Tensor], list[Tensor]]:
        forward = shared_forward(network, probe)
        loss = probe.loss(forward.outputs, probe.targets)
        check_finite("losses", loss)
        tensors = list(weights(network).values())
        inputs = [*tensors, *(output for _, output in forward.calls)]
        slopes = gradients(loss, inputs, create_graph=forward.has_fast_curvature, keep_graph=True)
        return slopes[: len(tensors)], slopes[len(tensors) :]

    return probe.once(network, GRADIENTS, compute)


def release_graphs(network: nn.Module, probe: Probe) -> None:
    """Release the shared forward pass of a network and its graph."""
    for what in (FORWARD, GRADIENTS):
        probe.release(network, what)


@contextmanager
def _kept_calls(network: nn.Module, probe: Probe) -> Iterator[list[tuple[nn.Module, Tensor]]]:
    """Yield a list that collects each call of a convolution or linear layer, with its output."""
    calls: list[tuple[nn.Module, Tensor]] = []

    def keep(module: nn.Module, inputs: object, output: object) -> object:
        calls.append((module, first_tensor(output)))
        return probe.apart(output) if isinstance(output, Tensor) else output

    handles = [m.register_forward_hook(keep) for m in network.modules() if isinstance(m, LAYERS)]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


class BackwardPass(NamedTuple):
    """One backward pass of the loss on the first batch.

    `weights` holds (weight, gradient) of each of `weights(network)`, `outputs` (layer, output, gradient) of each call
    of a convolution or linear layer.
    """

    weights: list[tuple[Tensor, Tensor]]
    outputs: list[tuple[nn.Module, Tensor, Tensor]]


def backward_pass(network: nn.Module, probe: Probe) -> BackwardPass:
    """Return the backward pass of a network, computed once for all proxies."""
    return probe.once(network, "backward", lambda: _backward(network, probe))


def _backward(network: nn.Module, probe: Probe) -> BackwardPass:
    tensors = list(weights(network).values())
    if probe.shared:
        by_weight, by_output = first_gradients(network, probe)
        calls = shared_forward(network, probe).calls
    else:
        with _kept_calls(network, probe) as calls:
            loss = loss_of(network, probe)
        slopes = gradients(loss, [*tensors, *(output for _, output in calls)])
        by_weight, by_output = slopes[: len(tensors)], slopes[len(tensors) :]
    return BackwardPass(
        [(w.detach(), g.detach()) for w, g in zip(tensors, by_weight, strict=True)],
        [(module, output.detach(), g.detach()) for (module, output), g in zip(calls, by_output, strict=True)],
    )
