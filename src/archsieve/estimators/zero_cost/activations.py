"""Common part of nwot and swap: which units of a network are active for which inputs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Generic, Literal, Self, TypeVar

import torch

from archsieve.estimators.zero_cost.item_places import by_items, in_activations, once_clear
from archsieve.estimators.zero_cost.meter import score_whole
from archsieve.estimators.zero_cost.readings import FORWARD, check_finite, check_outputs, shared_forward
from archsieve.estimators.zero_cost.watching import Watch, counted, in_order_of_memory
from archsieve.networks.inputs import call, items_in

if TYPE_CHECKING:
    from torch import Tensor, nn

    from archsieve.estimators.zero_cost.item_places import Places
    from archsieve.estimators.zero_cost.meter import Tensors
    from archsieve.estimators.zero_cost.proxy import Probe
    from archsieve.networks.form import Given

S = TypeVar("S")


@dataclass(frozen=True)
class ActivationMeter(Generic[S]):
    """A meter that records which inputs of every activation are positive; each proxy computes its score from them."""

    inputs: Given
    operations: frozenset[str]

    @classmethod
    def of(cls, network: nn.Module, probe: Probe, activations: Literal["all", "relu"] = "all") -> Self:
        """Return the meter of a network."""
        return cls(probe.inputs, counted(activations))

    def start(self) -> tuple[Tensors, S]:
        """Return the batch and the initial state."""
        raise NotImplementedError

    def finish(self, state: S) -> float:
        """Return the score."""
        raise NotImplementedError

    def add(self, state: S, on: Tensor) -> S:
        """Return the state after the units of one more activation, (n, units) of 0.0 and 1.0."""
        raise NotImplementedError

    def run(self, piece: nn.Module, tensors: Tensors, state: S) -> tuple[Tensors, S]:
        """Return the outputs of a piece of the network, and the state after its activations."""
        states = [state]
        with torch.no_grad(), self._watch(states):
            outputs = tuple(call(piece, batch) for batch in tensors)
        return outputs, states[0]

    def _watch(self, states: list[S], places: Places | None = None) -> Watch:
        """Return an observer that updates the state held in a one-element list."""
        calls = count()

        @torch.no_grad()
        def read(operation: str, inputs: Tensor) -> None:
            if operation not in self.operations:
                return
            check_finite("activations", inputs)
            ordered = in_order_of_memory(inputs) if places is None else inputs
            rows = by_items(ordered, items_in(self.inputs), places, next(calls))
            if rows is not None:
                states.append(self.add(states.pop(), (rows > 0).float()))

        return Watch(before=read)


def score_activations(meter: ActivationMeter[S], network: nn.Module, probe: Probe) -> float:
    """Return the score of a whole network, using the gradient proxies' forward pass if they need one later.

    Raises:
        ScoringError: the network cannot be scored.
    """

    def score(places: Places | None) -> float:
        return _score(meter, network, probe) if places is None else _score_placed(meter, network, probe, places)

    return once_clear(network, probe, in_activations(meter.operations), score)


def _score_placed(meter: ActivationMeter[S], network: nn.Module, probe: Probe, places: Places) -> float:
    states: list[S] = [meter.start()[1]]
    with torch.no_grad(), meter._watch(states, places):
        outputs = call(network, probe.inputs)
    score = meter.finish(states[0])
    check_outputs(outputs)
    return score


def _score(meter: ActivationMeter[S], network: nn.Module, probe: Probe) -> float:
    if not probe.shared or probe.knows(network, FORWARD):
        return score_whole(meter, network)
    states: list[S] = []

    def watch() -> Watch:
        states[:] = [meter.start()[1]]
        return meter._watch(states)

    outputs = shared_forward(network, probe, watch).outputs
    score = meter.finish(states[0])
    check_outputs(outputs)
    return score
