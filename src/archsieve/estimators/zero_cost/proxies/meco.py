"""meco: how independent the channels of feature maps are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from archsieve.errors import ScoringError, SettingError
from archsieve.estimators.zero_cost.embeddings import with_real_inputs
from archsieve.estimators.zero_cost.meter import Tensors, score_whole
from archsieve.estimators.zero_cost.own_weights import require_layers
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import check_finite, one_input
from archsieve.estimators.zero_cost.watching import ACTIVATIONS, WEIGHTED, is_pooling, run_watched
from archsieve.networks.building import torch_generator

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.proxy import Probe

_CHANNELS_SECOND = frozenset({"batch_norm", "group_norm", "instance_norm"})
_CHANNELS_LAST = frozenset({"linear", "layer_norm", "rms_norm"})


class Independence(NamedTuple):
    """The sum so far, whether the last layer had its channels last, the number of layers, and whether one counted.

    Of each map `channels` are drawn by the seed and the layer's place; 0: all are taken.
    """

    total: float
    channels_last: bool = False
    layers: int = 0
    is_read: bool = False
    channels: int = 0
    seed: int = 0

    def after(self, operation: str, inputs: Tensor, output: Tensor) -> Independence:
        """Return the sum after an operation; only the feature maps of layers are added."""
        if operation in _CHANNELS_LAST:
            last = True
        elif operation in WEIGHTED or is_pooling(operation) or operation in _CHANNELS_SECOND:
            last = False
        elif operation in ACTIVATIONS:
            last = self.channels_last
        else:
            return self
        rows = output.movedim(-1 if last else 1, 0).flatten(1) if output.dim() > 1 else output[:, None]
        total = self.total + self._independence_of(rows)
        is_read = self.is_read or _can_be_regular(min(len(rows), self.channels or len(rows)), rows.shape[1])
        return self._replace(total=total, channels_last=last, layers=self.layers + 1, is_read=is_read)

    def _independence_of(self, rows: Tensor) -> float:
        """Return the smallest eigenvalue for all channels, or for sampled channels scaled to all."""
        if not 0 < self.channels < len(rows):
            return _least_eigenvalue(rows)
        order = torch.randperm(len(rows), generator=torch_generator(self.seed, "noise", "meco", self.layers))
        drawn = order[: self.channels].sort().values.to(rows.device)
        return len(rows) / self.channels * _least_eigenvalue(rows[drawn])


@dataclass(frozen=True)
class MeCoMeter:
    """Sums the smallest eigenvalues of channel correlations for a noise input."""

    inputs: Tensor
    channels: int = 0
    seed: int = 0

    @classmethod
    def of(cls, network: nn.Module, probe: Probe, inputs: int = 1, channels: int = 0) -> MeCoMeter:
        """Return the meter of a network."""
        if inputs < 1:
            raise SettingError(f"`inputs >= 1` must hold, but got inputs={inputs}.")
        if channels < 0 or channels == 1:
            raise SettingError(f"`channels` must be 0 (all) or at least 2, but got channels={channels}.")
        return cls(probe.noise("meco")[:inputs], channels, probe.seed)

    def start(self) -> tuple[Tensors, Independence]:
        """Return the noise input, and an empty sum."""
        return (self.inputs,), Independence(0.0, channels=self.channels, seed=self.seed)

    def run(self, piece: nn.Module, tensors: Tensors, state: Independence) -> tuple[Tensors, Independence]:
        """Return the outputs of a piece, and the sum after its layers."""
        with one_input("meco"):
            output, state = run_watched(piece, tensors[0], state)
        return (output,), state

    def finish(self, state: Independence) -> float:
        """Return the sum.

        Raises:
            ScoringError: no map counted.
        """
        if not state.is_read:
            advice = "" if self.channels else ": set fewer channels to draw, as in meco[channels=8]"
            raise ScoringError(f"meco reads maps with more positions than channels, and this network has none{advice}.")
        return state.total


@proxy(meter=MeCoMeter.of, spoils=False, items="inputs", source="NeurIPS 2023, Jiang et al.")
def meco(network: nn.Module, probe: Probe, *, inputs: int = 1, channels: int = 0) -> float:
    """Return the sum over layers of the smallest eigenvalue of the channel correlation matrix; at least 0.

    Inputs are standard normal noise of the task's shape. A layer is every convolution, linear layer, normalisation,
    activation and pooling, however called: the paper says "layer", and its code reads every module, containers
    included. A map with fewer positions than channels + 1 adds 0, since its matrix is singular; a constant channel has
    correlation 0 with all, itself included. A layer adds at most 1; with `channels` it may add more. Source: Jiang et
    al., "MeCo: Zero-Shot NAS with One Data and Single Forward Pass via Minimum Eigenvalue of Correlation", NeurIPS
    2023.

    Args:
        network: what is scored.
        probe: gives the shape.
        inputs: how many, at most the batch; the positions of all are one sample. The paper has one, by which small maps
            of many channels add nothing.
        channels: 0, or how many channels are drawn of each map that has more: its eigenvalue then counts (channels of
            the map) / (drawn) times, the weighted variant MeCo_opt; the authors' code has 8. Small maps then add
            something too.

    Raises:
        ScoringError: no map has more positions than channels, so that all networks would have 0; a normalisation gets
            one position of the one input, so that it has no statistics; or the network has a matrix product with
            weights of its own.
    """
    require_layers(network, "meco", or_functions=True)
    network, probe = with_real_inputs(network, probe)
    return score_whole(MeCoMeter.of(network, probe, inputs, channels), network)


def _can_be_regular(channels: int, positions: int) -> bool:
    """Whether the correlation matrix of so many channels can be regular."""
    return 2 <= channels < positions


def _least_eigenvalue(channels: Tensor) -> float:
    """Return the smallest eigenvalue of the correlation matrix of the rows (c, positions)."""
    if not _can_be_regular(*channels.shape):
        return 0.0
    check_finite("feature maps", channels)
    matrix = torch.corrcoef(channels.cpu().double()).nan_to_num(nan=0.0)
    return float(torch.linalg.eigvalsh(matrix)[0])
