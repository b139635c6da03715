"""What several proxies read off a network: its weights, its operations, and gradients."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from archsieve.errors import EstimatorError, ScoringError, SettingError
from archsieve.networks import first_tensor, outputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from archsieve.estimators.proxy import Probe

LAYERS = (nn.modules.conv._ConvNd, nn.Linear)
"""The layers whose weights and outputs proxies count."""
# fmt: off
ACTIVATIONS = frozenset({
    "celu", "elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "mish", "prelu", "relu",
    "relu6", "rrelu", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh", "threshold",
})
# fmt: on
RELUS = frozenset({"relu", "relu6"})
WEIGHTED = frozenset(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)) | {"linear", "bilinear"}


class Watch(TorchFunctionMode):
    """Sees every operation a network does, whether a module or a function does it.

    Args:
        before: called with (name, first tensor) before each, e.g. ("relu", x); in-place variants have the same name.
        after: called with (name, first tensor, output) after each.
    """

    def __init__(
        self,
        *,
        before: Callable[[str, Tensor], None] | None = None,
        after: Callable[[str, Tensor, Tensor], None] | None = None,
    ) -> None:
        super().__init__()
        self._before, self._after = before, after

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        first = args[0] if args else kwargs.get("input")
        if not isinstance(first, Tensor):
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        name = name if name.endswith("__") else name.rstrip("_")
        if self._before is not None:
            self._before(name, first)
        output = func(*args, **kwargs)
        if self._after is not None and isinstance(output, Tensor):
            self._after(name, first, output)
        return output


@contextmanager
def plain_attention() -> Iterator[None]:
    """Let attention in evaluation mode do its operations one by one, where they can be seen."""
    is_fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(is_fused)


class Reading(Protocol):
    """What is read off a network operation by operation: an immutable value, so that paths may share it."""

    def after(self, operation: str, inputs: Tensor, output: Tensor) -> Self:
        """Return the reading after one more operation."""


R = TypeVar("R", bound=Reading)


def run_watched(piece: nn.Module, inputs: Tensor, reading: R) -> tuple[Tensor, R]:
    """Return the outputs of a piece, without gradients, and the reading after its operations."""
    seen = [reading]
    with torch.no_grad(), plain_attention(), Watch(after=lambda *call: seen.append(seen.pop().after(*call))):
        outputs = piece(inputs)
    return outputs, seen[0]


@dataclass(frozen=True)
class FeatureTap:
    """Finds the last feature map of a network: what its head pools or flattens, else what its head gets.

    Works by shapes: the head is the last convolution or linear layer. Where its input has no positions left, (n, c) or
    (n, c, 1, 1), the features are what they were last taken from. An immutable value, so that paths may share it.

    Args:
        count: items of the batch.
        keep: returns what is kept of a tensor, a copy where the network may write to it later.
    """

    count: int
    keep: Callable[[Tensor], Tensor]
    _vanished: Tensor | None = None  # the last tensor that lost its positions, behind a first layer
    _found: Tensor | None = None

    def after(self, operation: str, inputs: Tensor, output: Tensor) -> FeatureTap:
        """Return the tap after an operation."""
        vanishes = has_positions(inputs) and not has_positions(output) and output.shape[:1] == (self.count,)
        if operation in WEIGHTED:
            kept = self.keep(inputs)
            found = kept if self._vanished is None or has_positions(inputs) else self._vanished
            return replace(self, _vanished=kept if vanishes else self._vanished, _found=found)
        return replace(self, _vanished=self.keep(inputs)) if vanishes and self._found is not None else self

    def features(self) -> Tensor:
        """Return the features, (n, ...).

        Raises:
            ScoringError: there was no convolution or linear layer.
        """
        if self._found is None:
            raise ScoringError("The features before the head are asked for, and this network has no layer.")
        return self._found


def batch_norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Return the batch normalisations of a network."""
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def record_statistics(network: nn.Module, momentum: float) -> None:
    """Let every batch normalisation record running statistics at this momentum, whatever it did before.

    The network is put in evaluation mode (dropout is off, however it is written) and its batch normalisation in
    training mode: it goes by the batch.
    """
    network.eval()
    for norm in batch_norms(network):
        norm.train()
        norm.momentum = momentum
        if norm.running_var is None:
            norm.track_running_stats = True
            device = next((p.device for p in network.parameters()), None)
            norm.running_mean = torch.zeros(norm.num_features, device=device)
            norm.running_var = torch.ones(norm.num_features, device=device)
            norm.num_batches_tracked = torch.tensor(0, device=device)


def has_positions(tensor: Tensor) -> bool:
    """Whether a tensor has more than items and channels."""
    return any(size > 1 for size in tensor.shape[2:])


def is_pooling(operation: str) -> bool:
    """Whether an operation pools."""
    return "_pool" in operation


@contextmanager
def one_input(name: str) -> Iterator[None]:
    """Refuse a network whose normalisation cannot do with a single input.

    Raises:
        ScoringError: it gets one position, so that it has no statistics.
    """
    try:
        yield
    except ScoringError:
        raise
    except ValueError as error:
        if "Expected more than 1" not in str(error):  # value per channel, or spatial element, when training
            raise
        raise ScoringError(f"{name} normalises a single input, which this network does not allow: {error}") from error


def weights(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights of all convolutions, linear layers and attention projections by name.

    No biases, no normalisation, no embeddings. A weight that several layers have is returned once.
    """
    found: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, LAYERS):
            found[name] = module.weight
        elif isinstance(module, nn.MultiheadAttention):
            own = module.named_parameters(recurse=False)
            found.update({f"{name}.{which}": p for which, p in own if which.endswith("proj_weight")})
    first = {id(weight): name for name, weight in reversed(found.items())}
    return {name: weight for name, weight in found.items() if first[id(weight)] == name}


def check_finite(what: str, *tensors: Tensor) -> None:
    """Check that what a proxy reads is made of finite numbers.

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
                raise ScoringError(f"The {what} of the network hold {kind}: a score of them would mean nothing.")


def check_outputs(outputs: object) -> None:
    """Check that a network puts out no NaN; what is no tensor is not looked at.

    Raises:
        ScoringError: it does.
    """
    with suppress(ScoringError):
        outputs = first_tensor(outputs)
    if isinstance(outputs, Tensor) and outputs.is_floating_point() and bool(outputs.isnan().any()):
        raise ScoringError("The outputs of the network hold NaN: a score of it would mean nothing.")


def gradients(output: Tensor, inputs: Sequence[Tensor], *, create_graph: bool = False) -> list[Tensor]:
    """Return the gradients of a scalar; zeros where it does not depend on one, or that is frozen.

    Raises:
        ScoringError: it depends on none of them, or gradients are no finite numbers.
    """
    if not torch.is_grad_enabled():
        raise EstimatorError("This proxy takes gradients without saying so: declare @proxy(needs=('gradients', ...)).")
    wanted = [x for x in inputs if x.requires_grad]  # a frozen layer has no gradient
    if not output.requires_grad or not wanted:
        raise ScoringError("The network's output depends on none of its weights or inputs.")
    slopes = torch.autograd.grad(output, wanted, create_graph=create_graph, allow_unused=True)
    check_finite("gradients", *(g for g in slopes if g is not None))
    found = iter(slopes)
    known = [next(found) if x.requires_grad else None for x in inputs]
    return [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, known, strict=True)]


def loss_of(network: nn.Module, probe: Probe, batch: int = 0) -> Tensor:
    """Return the loss on a batch.

    Raises:
        ScoringError: it is no finite number.
    """
    inputs, targets = probe.batch(batch)
    loss = probe.loss(outputs_of(network, inputs), targets)
    check_finite("losses", loss)
    return loss


class BackwardPass(NamedTuple):
    """One backward pass of the loss on the first batch.

    `weights` holds (weight, gradient) of each of `weights(network)`, `outputs` (layer, output, gradient) of each call
    of a convolution or linear layer.
    """

    weights: list[tuple[Tensor, Tensor]]
    outputs: list[tuple[nn.Module, Tensor, Tensor]]


def backward_pass(network: nn.Module, probe: Probe) -> BackwardPass:
    """Return the backward pass of a network; proxies asked for together share it."""
    return probe.once(network, "backward", lambda: _backward(network, probe))


def _backward(network: nn.Module, probe: Probe) -> BackwardPass:
    calls: list[tuple[nn.Module, Tensor]] = []

    def keep(module: nn.Module, inputs: object, output: object) -> object:
        calls.append((module, first_tensor(output)))
        return probe.apart(output) if isinstance(output, Tensor) else output

    handles = [m.register_forward_hook(keep) for m in network.modules() if isinstance(m, LAYERS)]
    try:
        loss = loss_of(network, probe)
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
    """Return the gradient of the summed outputs with respect to each input, (n, input size), float64 on the CPU.

    Raises:
        ScoringError: the inputs are no real numbers.
    """
    if not probe.inputs.is_floating_point():
        raise ScoringError("The inputs are no real numbers, so that outputs have no gradient by them.")

    def jacobian() -> Tensor:
        inputs = probe.inputs.requires_grad_(True)
        outputs = outputs_of(network, probe.apart(inputs))
        check_finite("outputs", outputs)
        (gradient,) = gradients(outputs.sum(), [inputs])
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


def counted(activations: str) -> frozenset[str]:
    """Return the operations that count as activations: "all", or "relu".

    Raises:
        SettingError: neither.
    """
    kinds = {"all": ACTIVATIONS, "relu": RELUS}
    if activations not in kinds:
        raise SettingError(f"`activations` must be 'all' or 'relu', but got {activations!r}.")
    return kinds[activations]


def units_on(inputs: Tensor, count: int) -> Tensor:
    """Return which units of an activation's inputs are positive, as 0.0 and 1.0, shape (count, units).

    A tensor that is not of `count` items first (tokens of all items in one row, say) is taken to hold them in order.
    """
    if inputs.dim() == 4 and inputs.is_contiguous(memory_format=torch.channels_last):
        inputs = inputs.permute(0, 2, 3, 1)  # the units in the order of memory, whatever it is
    if inputs.shape[0] % count:
        raise ScoringError(
            f"An activation gets {inputs.shape[0]} rows for {count} inputs: they have no units to compare."
        )
    return (inputs > 0).reshape(count, -1).float()
