"""Detection of a training that diverges."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import torch

from archsieve.errors import DivergenceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

_CHECKED_EVERY = 100  # steps, on a device that would have to be waited for after each


def steps_between_checks(device: str) -> int:
    """Return the number of steps between two checks of the losses."""
    return 1 if torch.device(device).type == "cpu" else _CHECKED_EVERY


def check_losses(losses: Sequence[Tensor], epoch: int, rate: float) -> None:
    """Check that losses are finite. `epoch`, from 1, and the learning rate are for the message.

    Raises:
        DivergenceError: one is not.
    """
    if losses and not bool(torch.stack([*losses]).isfinite().all()):
        first = next(value for value in map(float, losses) if not math.isfinite(value))
        raise _diverged(f"the loss became {first:g}", epoch, rate)


def check_weights(network: nn.Module, epoch: int, rate: float) -> None:
    """Check that weights are finite and buffers are not NaN; infinite buffers such as masks are allowed.

    Raises:
        DivergenceError: it is not so.
    """
    weights = (name for name, p in network.named_parameters() if not bool(p.isfinite().all()))
    buffers = (name for name, b in network.named_buffers() if bool(b.isnan().any()))
    if (name := next(itertools.chain(weights, buffers), None)) is not None:
        raise _diverged(f"{name!r} is not finite any more", epoch, rate)


def _diverged(what: str, epoch: int, rate: float) -> DivergenceError:
    return DivergenceError(f"The training diverged: in epoch {epoch} {what}, at a learning rate of {rate:g}. Lower it.")
