"""epe_nas: how similarly the network treats inputs of one class."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import torch

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.jacobian import correlation, input_jacobian
from archsieve.estimators.zero_cost.proxy import proxy

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.proxy import Probe

STABILISER = 1e-5
MANY_CLASSES = 100


@proxy(needs=("data", "labels", "gradients"), spoils=False, passes=2, reads="jacobian", source="arXiv 2102.08099")
def epe_nas(network: nn.Module, probe: Probe) -> float:
    """Return the sum over classes of |sum of log(|corr| + 1e-5)|, corr the Jacobian correlation within a class.

    In [0, inf). With more than 100 outputs each class's sum is divided by the size of its matrix, and the score is
    the sum over pairs of classes of |s - s'|, divided by the number of classes seen. Source: Lopes et al., "EPE-NAS",
    arXiv 2102.08099.

    Raises:
        ScoringError: a target is no class, or the outputs do not depend on every input.
    """
    jacobian, labels = input_jacobian(network, probe), probe.targets.cpu()
    if labels.shape != (len(jacobian),):
        raise ScoringError(
            f"epe_nas compares inputs of one class, but targets of shape {tuple(labels.shape)} are not classes."
        )
    matrices = [correlation(jacobian[labels == label]) for label in torch.unique(labels)]
    sums = [float((matrix.abs() + STABILISER).log().sum()) for matrix in matrices]
    if probe.num_outputs <= MANY_CLASSES:
        return sum(map(abs, sums))
    means = [total / matrix.numel() for total, matrix in zip(sums, matrices, strict=True)]
    return sum(abs(a - b) for a, b in combinations(means, 2)) / len(means)
