"""vkdnw: how evenly a network's outputs depend on its weights, from the spectrum of the Fisher information."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from archsieve.errors import ScoringError, SettingError
from archsieve.estimators.zero_cost.own_weights import own_weights
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import LAYERS, check_finite, gradients, hold_statistics, weights
from archsieve.networks.inputs import items_in, mapped, parts_of
from archsieve.networks.outputs import first_tensor, outputs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from archsieve.estimators.zero_cost.proxy import Probe

_SAME = 1e-3
"""Two derivatives that differ by less, relative to the terms they are sums of, are the same."""


@proxy(
    needs=("data", "gradients"),
    passes=15,
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

    A layer's derivative is its answer to the weight alone. That is wrong where the layer is not linear in its weight
    (a standardised one), where the network uses the weight elsewhere too (a table of embeddings), and where items are
    not the first dimension. One more backward pass by the weights themselves tells; then each item is differentiated by
    itself.

    Args:
        network: what is scored.
        probe: gives the batch; labels are not used.
        size: "layers" is the paper's score, "none" the entropy alone, which does not tell how large a network is.

    Raises:
        ScoringError: fewer than two classes, classes behind tokens, no convolution or linear layer that is called with
            a weight to train, or an output that depends on other items, where each is differentiated by itself.
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
    logits = _logits(outputs_of(network, probe.inputs), probe)
    responses.close()
    if responses.is_clear and not responses.outputs and not responses.own:
        raise ScoringError("vkdnw reads convolutions and linear layers, and this network calls none with a weight.")
    jacobian = _jacobian(logits, responses)
    if not responses.explain(logits, jacobian):
        jacobian = _item_by_item(network, probe, logits, responses)
    shares = logits.detach().cpu().double().softmax(dim=1)
    weighted = shares[:, :, None] * (jacobian - torch.einsum("nc,ncp->np", shares, jacobian)[:, None])
    return torch.einsum("ncp,ncq->pq", jacobian, weighted) / len(jacobian)


def _logits(outputs: Tensor, probe: Probe) -> Tensor:
    """Return the logits (items, classes): outputs, or their means over positions, which follow the classes.

    Raises:
        ScoringError: they are not finite, of fewer than two classes, or have their classes behind tokens.
    """
    check_finite("outputs", outputs)
    whole = [tensor for tensor in parts_of(probe.batches[0][0]) if not tensor.is_floating_point()]
    if outputs.dim() == 3 and any(tensor.shape[1:] == outputs.shape[1:2] for tensor in whole):
        raise ScoringError(
            f"vkdnw takes the second dimension of the outputs for the classes, as cross entropy does, but in outputs "
            f"of shape {tuple(outputs.shape)} it is that of the tokens: return the outputs of one token, or their mean."
        )
    if outputs.dim() < 2 or outputs.shape[1] < 2:
        raise ScoringError(f"vkdnw compares classes, but outputs of shape {tuple(outputs.shape)} have fewer than two.")
    return outputs.flatten(2).mean(2) if outputs.dim() > 2 else outputs


def _jacobian(logits: Tensor, responses: _Responses) -> Tensor:
    """Return the derivatives of the logits by the weight of each layer that is called, (items, classes, layers).

    Items are taken to be independent: the gradient of their sum holds that of each.
    """
    rows = []
    for class_logits in logits.T if responses.outputs else ():
        slopes = gradients(class_logits.sum(), responses.outputs, keep_graph=True)
        rows.append(responses.derivatives(slopes))
    return torch.stack(rows, dim=1) if rows else torch.zeros(*logits.shape, 0, dtype=torch.float64)


def _item_by_item(network: nn.Module, probe: Probe, logits: Tensor, responses: _Responses) -> Tensor:
    """Return these derivatives by a pass of each item alone, by the weights themselves.

    Raises:
        ScoringError: an item alone has other outputs than in the batch.
    """
    columns, rows, limit = list(responses.read), [], _SAME * float(logits.detach().abs().max())
    for index, expected in enumerate(logits.detach()):
        item = mapped(probe.inputs, itemgetter(slice(index, index + 1)))
        one = _logits(outputs_of(network, item), probe)
        if one.shape != (1, *expected.shape) or float((one.detach()[0] - expected).abs().max()) > limit:
            raise ScoringError(
                "vkdnw differentiates the outputs of each input by itself, but here they depend on the other inputs of "
                "the batch, or on random numbers."
            )
        slopes = [gradients(logit, [responses.read[c][0] for c in columns], keep_graph=True) for logit in one[0]]
        places = [responses.read[c][1] for c in columns]
        rows.append([[float(g.reshape(-1)[at]) for g, at in zip(each, places, strict=True)] for each in slopes])
    table = torch.tensor(rows, dtype=torch.float64)
    used = {*responses.called, *responses.own, *(columns[i] for i in table.abs().sum((0, 1)).nonzero().flatten())}
    return table[:, :, [i for i, column in enumerate(columns) if column in used]]


class _Responses:
    """The calls of layers during a pass: their outputs, and the response of each to its sampled weight."""

    def __init__(self, network: nn.Module, probe: Probe) -> None:
        self.outputs: list[Tensor] = []
        self.is_clear = True  # the rows of each output are known to belong to items
        self._answers: list[Tensor] = []
        self._columns: list[int] = []
        self._items = items_in(probe.batches[0][0])
        self._probe = probe
        trained = {name: weight for name, weight in weights(network).items() if weight.requires_grad}
        fused = {id(p) for m in network.modules() if isinstance(m, nn.MultiheadAttention) for p in m.parameters()}
        self._drawn = {}
        self.read: dict[int, tuple[Tensor, int]] = {}  # by column, what is no part of torch's own attention
        for column, (name, weight) in enumerate(trained.items()):
            place = int(torch.randint(weight.numel(), (), generator=probe.generator("init", "vkdnw", name)))
            self._drawn[id(weight)] = (column, place)
            if id(weight) not in fused:
                self.read[column] = (weight, place)
        own = {id(getattr(module, which)) for module in network.modules() for which in own_weights(module)}
        self.own = [column for column, (weight, _) in self.read.items() if id(weight) in own]  # outside of layers
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
        self.is_clear &= output.dim() > 0 and output.shape[0] % self._items == 0
        if not self.is_clear:
            return output
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

    @property
    def called(self) -> list[int]:
        """The columns of the weights whose layers were called."""
        return sorted(set(self._columns))

    def explain(self, logits: Tensor, jacobian: Tensor) -> bool:
        """Whether the derivatives add up to the gradients by the weights themselves, for random signs of the logits."""
        if self.own or not self.is_clear:
            return False
        signs = 2 * torch.randint(2, logits.shape, generator=self._probe.generator("noise", "vkdnw")) - 1
        read = [self.read[column] for column in self.read]
        slopes = gradients((logits * signs.to(logits)).sum(), [*self.outputs, *(weight for weight, _ in read)])
        expected = dict(zip(self.called, torch.einsum("nc,ncp->p", signs.double(), jacobian).tolist(), strict=True))
        sizes: dict[int, float] = defaultdict(float)
        for column, answer, slope in zip(self._columns, self._answers, slopes, strict=False):
            sizes[column] += float((answer * slope.reshape(self._items, -1)).abs().sum())
        found = [float(s.reshape(-1)[at]) for s, (_, at) in zip(slopes[len(self.outputs) :], read, strict=True)]
        return all(
            abs(value - expected.get(column, 0.0)) <= _SAME * sizes[column]
            for column, value in zip(self.read, found, strict=True)
        )

    def derivatives(self, slopes: list[Tensor]) -> Tensor:
        """Return the derivatives of each item's logit by each sampled weight, (items, layers), float64 on the CPU."""
        table = torch.zeros(self._items, len(self._drawn), dtype=torch.float64)
        for column, answer, slope in zip(self._columns, self._answers, slopes, strict=True):
            products = answer * slope.reshape(self._items, -1)
            table[:, column] += products.sum(dim=1).cpu().double()
        return table[:, self.called]


@contextmanager
def _without_hooks(module: nn.Module) -> Iterator[None]:
    """Disable a module's forward hooks inside the context."""
    hooks, module._forward_hooks = module._forward_hooks, type(module._forward_hooks)()
    try:
        yield
    finally:
        module._forward_hooks = hooks
