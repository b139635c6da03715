"""jacov: how differently the network treats different inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from archsieve.estimators.zero_cost.jacobian import correlation, input_jacobian
from archsieve.estimators.zero_cost.proxy import proxy

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.proxy import Probe

STABILISER = 1e-5


@proxy(needs=("data", "gradients"), spoils=False, passes=2, reads="jacobian", source="arXiv 2006.04647v1")
def jacov(network: nn.Module, probe: Probe) -> float:
    """Return -sum(log(v + k) + 1 / (v + k)), v the eigenvalues of the inputs' Jacobian correlation, k = 1e-5.

    Any real number; higher means less correlated. Source: Mellor et al., "Neural Architecture Search without
    Training", first version, arXiv 2006.04647v1. The matrix is symmetric and treated so: a general eigenvalue
    routine, as first published, can return complex values.
    """
    eigenvalues = torch.linalg.eigvalsh(correlation(input_jacobian(network, probe))) + STABILISER
    return -float((eigenvalues.log() + 1 / eigenvalues).sum())
