"""wrcor: how much a network's responses to different inputs differ, with deeper blocks weighted more."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import Tensor

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.embeddings import with_real_inputs
from archsieve.estimators.zero_cost.item_places import by_items, in_activations, once_clear
from archsieve.estimators.zero_cost.proxies.az_nas import primary_blocks
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import check_finite, gradients
from archsieve.estimators.zero_cost.second_derivatives import by_inputs_only
from archsieve.estimators.zero_cost.watching import SettableGradients, Watch, counted
from archsieve.networks.outputs import outputs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from archsieve.estimators.zero_cost.item_places import Places
    from archsieve.estimators.zero_cost.proxy import Probe


@proxy(needs=("data", "labels", "gradients"), spoils=False, passes=2, source="arXiv 2507.08841")
def wrcor(network: nn.Module, probe: Probe, *, activations: Literal["all", "relu"] = "all") -> float:
    """Return log |det K|, K the weighted sum of item correlations at each activation; any real number, or -inf.

    At an activation in block l, 2^l times the absolute values of two correlation matrices (n, n) of the items are
    added: of what it gets, and of the loss gradients by that. The less alike the items, the larger the determinant.
    One of them that has a constant row has no correlation and is left out; -inf where all have. Source: Jing et al.,
    "Zero-Shot Neural Architecture Search with Weighted Response Correlation", arXiv 2507.08841.

    Left open there and chosen here: the blocks are those of AZ-NAS (see `az_expressivity`), counted from 1 by their
    calls, and what lies before the first has l = 0; every elementwise activation counts.

    Args:
        network: what is scored.
        probe: gives the batch.
        activations: "relu" counts ReLU and ReLU6 only, "all" every elementwise activation.

    Raises:
        ScoringError: the network has no activation that counts, or its outputs have no gradients.
    """
    operations = counted(activations)
    wrapped, real = with_real_inputs(network, probe)
    watching = in_activations(operations)
    return once_clear(wrapped, real, watching, lambda places: _score(network, wrapped, real, operations, places))


def _score(
    network: nn.Module, wrapped: nn.Module, real: Probe, operations: frozenset[str], places: Places | None
) -> float:
    targets = real.targets
    inputs = cast("Tensor", real.inputs).requires_grad_(True)
    answers = _Answers(len(inputs), operations, places)
    with answers.blocks_of(network), SettableGradients(), Watch(before=answers.read):
        outputs = outputs_of(wrapped, real.apart(inputs))
    check_finite("outputs", outputs)
    if not answers.is_any:
        raise ScoringError("wrcor reads activations, and this network has none that it can read.")
    loss = real.loss(outputs, targets)
    check_finite("losses", loss)
    if not loss.requires_grad:
        raise ScoringError("The network's output depends on none of its weights or inputs.")
    if answers.is_reached:
        with by_inputs_only():
            gradients(loss, [inputs])
    return float(torch.linalg.slogdet(answers.matrix).logabsdet)


class _Answers:
    """The weighted sum of item correlations at activations and at their gradients."""

    def __init__(self, items: int, operations: frozenset[str], places: Places | None) -> None:
        self.matrix = torch.zeros(items, items, dtype=torch.float64)
        self.is_any = self.is_reached = False
        self._items, self._operations, self._block = items, operations, 0
        self._places, self._calls = places, 0

    @contextmanager
    def blocks_of(self, network: nn.Module) -> Iterator[None]:
        """Track how many blocks of a network have started."""
        handles = [block.register_forward_pre_hook(self._begin) for block in primary_blocks(network)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _begin(self, module: nn.Module, arguments: object) -> None:
        self._block += 1

    def read(self, operation: str, inputs: Tensor) -> None:
        """Add an activation's input, and register its gradient for the backward pass."""
        if operation not in self._operations:
            return
        check_finite("activations", inputs)
        at, weight = self._calls, 2.0**self._block
        self._calls += 1
        if not self._add(inputs, weight, at):
            return
        self.is_any = True
        if inputs.requires_grad:  # a hook sees the gradient by this value, whatever is written over it later
            self.is_reached = True
            inputs.register_hook(partial(self._add_gradient, weight, at))  # type: ignore[no-untyped-call]

    def _add_gradient(self, weight: float, at: int, gradient: Tensor) -> None:
        self._add(gradient, weight, at)

    def _add(self, values: Tensor, weight: float, at: int) -> bool:
        """Add the correlations of the items; return whether the values belong to items."""
        rows = by_items(values, self._items, self._places, at)
        if rows is None:
            return False
        matrix = torch.corrcoef(rows.detach().cpu().double()).reshape(self.matrix.shape)
        if bool(matrix.isfinite().all()):
            self.matrix += weight * matrix.abs()
        return True
