"""vkdnw: how evenly a network's outputs depend on its weights, from the spectrum of the Fisher information."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from archsieve.errors import ScoringError, SettingError
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import LAYERS, check_finite, gradients, hold_statistics, weights
from archsieve.networks.inputs import items_in
from archsieve.networks.outputs import first_tensor, outputs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from archsieve.estimators.zero_cost.proxy import Probe


@proxy(
    needs=("data", "gradients"),
    passes=13,
    mode="evaluation, by the statistics of the batch",
    source="arXiv 2502.04975",
)
def vkdnw(network: nn.Module, probe: Probe, *, size: Literal["layers", "none"] = "layers") -> float:
    """Return the number of trainable layers plus the entropy of the Fisher information's spectrum, in [0, log 9].

    The Fisher information is that of class probabilities p by one weight of each layer: the mean over the items of
    J^T (diag(p) - p p^T) J, J the derivatives of an item's logits. The entropy is that of the nine deciles of its
    eigenvalues, divided by their sum; 0 where nothing depends on the weights. Source: Tybl and Neumann, "Training-free
    Neural Architecture Search through Variance of Knowledge of Deep Network Weights", arXiv 2502.04975.

    Left open there and chosen here: the weight of a layer is drawn by seed and name; batch normalisation is held at
    the statistics of the batch, so that an item's derivative is its own; deciles are interpolated. Where outputs have
    positions, their mean is the logit. The number of passes is that for ten classes: each takes a backward pass.

    Args:
        network: what is scored.
        probe: gives the batch; labels are not used.
        size: "layers" is the paper's score, "none" the entropy alone, which does not tell how large a network is.

    Raises:
        ScoringError: fewer than two classes, or no convolution or linear layer that is called with a weight to train.
    """
    if size not in ("layers", "none"):
        raise SettingError(f"`size` must be 'layers' or 'none', but got {size!r}.")
    layers = sum(weight.requires_grad for weight in weights(network).values())
    entropy = _entropy(_fisher_information(network, probe))
    return layers + entropy if size == "layers" else entropy


def _entropy(information: Tensor) -> float:
    """Return the entropy of the deciles of a matrix's eigenvalues; 0 if all are 0."""
    tenths = torch.arange(1, 10, dtype=torch.float64, device="cpu") / 10
    deciles = torch.quantile(torch.linalg.eigvalsh(information).clamp(min=0), tenths)
    total = deciles.sum()
    return float(torch.special.entr(deciles / total).sum()) if total > 0 else 0.0


def _fisher_information(network: nn.Module, probe: Probe) -> Tensor:
    """Return the Fisher information of the class probabilities for one weight per layer, (layers, layers)."""
    hold_statistics(network, probe)
    responses = _Responses(network, probe)
    outputs = outputs_of(network, probe.inputs)
    check_finite("outputs", outputs)
    responses.close()
    if outputs.dim() < 2 or outputs.shape[1] < 2:
        raise ScoringError(f"vkdnw compares classes, but outputs of shape {tuple(outputs.shape)} have fewer than two.")
    if not responses.outputs:
        raise ScoringError("vkdnw reads convolutions and linear layers, and this network calls none with a weight.")
    logits = outputs.flatten(2).mean(2) if outputs.dim() > 2 else outputs
    rows = []
    for class_logits in logits.T:  # items are independent: the gradient of their sum holds that of each
        slopes = gradients(class_logits.sum(), responses.outputs, keep_graph=True)
        rows.append(responses.derivatives(slopes))
    jacobian = torch.stack(rows, dim=1)  # (items, classes, layers)
    shares = logits.detach().cpu().double().softmax(dim=1)
    weighted = shares[:, :, None] * (jacobian - torch.einsum("nc,ncp->np", shares, jacobian)[:, None])
    return torch.einsum("ncp,ncq->pq", jacobian, weighted) / len(jacobian)


class _Responses:
    """The calls of layers during a pass: their outputs, and the response of each to its sampled weight."""

    def __init__(self, network: nn.Module, probe: Probe) -> None:
        self.outputs: list[Tensor] = []
        self._answers: list[Tensor] = []
        self._columns: list[int] = []
        self._items = items_in(probe.batches[0][0])
        self._probe = probe
        self._drawn = {
            id(weight): (
                column,
                int(torch.randint(weight.numel(), (), generator=probe.generator("init", "vkdnw", name))),
            )
            for column, (name, weight) in enumerate((n, w) for n, w in weights(network).items() if w.requires_grad)
        }
        self._handles = [
            module.register_forward_hook(self._keep, with_kwargs=True)
            for module in network.modules()
            if isinstance(module, LAYERS)
        ]

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()

    def _keep(self, module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], output: object) -> object:
        """Store a layer's output, and its response to the sampled weight: the output with that weight alone."""
        weight = module.weight
        if not isinstance(weight, Tensor) or id(weight) not in self._drawn or not isinstance(output, Tensor):
            return output
        if output.shape[0] % self._items:
            raise ScoringError(
                f"A layer gives {output.shape[0]} rows for {self._items} inputs: derivatives cannot be told apart."
            )
        column, place = self._drawn[id(weight)]
        alone = torch.zeros(weight.shape, dtype=weight.dtype, device=weight.device)
        alone.view(-1)[place] = 1.0
        changed = {"weight": alone}
        if isinstance(module.bias, Tensor):
            changed["bias"] = torch.zeros_like(module.bias)
        with torch.no_grad(), _without_hooks(module):
            answer = first_tensor(functional_call(module, changed, arguments, named))
        check_finite("activations", answer)
        self.outputs.append(output)
        self._answers.append(answer.reshape(self._items, -1))
        self._columns.append(column)
        return self._probe.apart(output)

    def derivatives(self, slopes: list[Tensor]) -> Tensor:
        """Return the derivatives of each item's logit by each sampled weight, (items, layers), float64 on the CPU."""
        table = torch.zeros(self._items, len(self._drawn), dtype=torch.float64)
        for column, answer, slope in zip(self._columns, self._answers, slopes, strict=True):
            products = answer * slope.reshape(self._items, -1)
            table[:, column] += products.sum(dim=1).cpu().double()
        called = sorted(set(self._columns))
        return table[:, called]


@contextmanager
def _without_hooks(module: nn.Module) -> Iterator[None]:
    """Disable a module's forward hooks inside the context."""
    hooks, module._forward_hooks = module._forward_hooks, type(module._forward_hooks)()
    try:
        yield
    finally:
        module._forward_hooks = hooks
