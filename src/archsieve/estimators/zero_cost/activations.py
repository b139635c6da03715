"""Common part of nwot and swap: which units of a network are on for which inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, Self, TypeVar

import torch

from archsieve.estimators.zero_cost.readings import check_finite
from archsieve.estimators.zero_cost.watching import Watch, counted, units_on
from archsieve.networks.inputs import call, items_in

if TYPE_CHECKING:
    from torch import Tensor, nn

    from archsieve.estimators.zero_cost.meter import Tensors
    from archsieve.estimators.zero_cost.proxy import Probe
    from archsieve.networks.form import Given

S = TypeVar("S")


@dataclass(frozen=True)
class ActivationMeter(Generic[S]):
    """A meter of which inputs of every activation are positive; each proxy computes its score from that."""

    inputs: Given
    operations: frozenset[str]

    @classmethod
    def of(cls, network: nn.Module, probe: Probe, activations: Literal["all", "relu"] = "all") -> Self:
        """Return the meter of any network."""
        return cls(probe.inputs, counted(activations))

    def add(self, state: S, on: Tensor) -> S:
        """Return what has been read with the units of one more activation, (n, units) of 0.0 and 1.0."""
        raise NotImplementedError

    def run(self, piece: nn.Module, tensors: Tensors, state: S) -> tuple[Tensors, S]:
        """Return the outputs of a piece, and the state after reading its activations."""
        states = [state]

        def read(operation: str, inputs: Tensor) -> None:
            if operation in self.operations:
                check_finite("activations", inputs)
                states.append(self.add(states.pop(), units_on(inputs, items_in(self.inputs))))

        with torch.no_grad(), Watch(before=read):
            outputs = tuple(call(piece, batch) for batch in tensors)
        return outputs, states[0]
