"""The Jacobian of the summed outputs by the inputs, and the correlation of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.embeddings import with_real_inputs
from archsieve.estimators.zero_cost.readings import check_finite, gradients, shared_forward
from archsieve.estimators.zero_cost.second_derivatives import by_inputs_only
from archsieve.estimators.zero_cost.watching import SettableGradients
from archsieve.networks.outputs import outputs_of

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.proxy import Probe

SMALL_INFLUENCE = 10.0
"""Below this ratio of gradient times inputs to outputs, a gradient is compared with another one."""
ROUNDING = 1e-5
"""Below this ratio to the other one, a gradient is rounding error."""


def input_jacobian(network: nn.Module, probe: Probe) -> Tensor:
    """Return the gradient of the summed outputs with respect to each input, (n, input size), float64 on the CPU.

    The inputs are all real numbers that the network gets, and the outputs of its embeddings for tokens.

    Raises:
        ScoringError: the inputs are whole numbers that no embedding looks up, or the gradient is rounding error.
    """

    def jacobian() -> Tensor:
        if probe.shared:
            inputs, outputs, *_ = shared_forward(network, probe)
        else:
            wrapped, real = with_real_inputs(network, probe)
            inputs = cast("Tensor", real.inputs).requires_grad_(True)
            with SettableGradients():
                outputs = outputs_of(wrapped, real.apart(inputs))
        check_finite("outputs", outputs)
        with by_inputs_only():
            (gradient,) = gradients(outputs.sum(), [inputs], keep_graph=True)
            _check_influence(gradient, inputs, outputs)
        return gradient.flatten(1).cpu().double()

    return probe.once(network, "jacobian", jacobian)


def _check_influence(gradient: Tensor, inputs: Tensor, outputs: Tensor) -> None:
    """Check that the gradient of the summed outputs is more than rounding error; the graph must still be there.

    After a batch normalisation, the mean of a batch is the same for all inputs. If only linear operations follow on
    every path, the gradient of the sum is zero, and what is computed is rounding error. The same holds for the sum of
    the outputs of a softmax. Such a gradient is far smaller than that of the sum with signs that alternate over the
    batch and over the outputs of an input. This second gradient is taken only if the first one is small, so that most
    networks are scored without it. Measured ratios of the two norms: at least 0.02 where the sum depends on the inputs
    (8e-5 where a tanh follows outputs of a normalisation of size 0.01), 5e-9 to 3e-7 where it does not (single
    precision, up to 60 layers, 12 inputs; up to 1e-5 for two inputs).

    Raises:
        ScoringError: it is rounding error.
    """
    summed = gradient.norm() * inputs.detach().std(0, correction=0).norm()
    if summed == 0 or summed >= SMALL_INFLUENCE * outputs.detach().std(0, correction=0).norm():
        return
    places = torch.arange(outputs[0].numel(), device=outputs.device).reshape(outputs[0].shape)
    rows = torch.arange(len(outputs), device=outputs.device).reshape(-1, *(1 for _ in outputs.shape[1:]))
    signs = 1.0 - 2.0 * ((rows + places) % 2)
    (reference,) = gradients((signs * outputs).sum(), [inputs], keep_graph=True)
    if gradient.norm() < ROUNDING * reference.norm():  # the reason has no digits of it: they vary with the company
        raise ScoringError(
            f"The summed outputs do not depend on the inputs, as in a network that ends in a softmax, or where every "
            f"path ends in a batch normalisation before the last linear layer. Their gradient is rounding error: it is "
            f"less than {ROUNDING} times that of the outputs with alternating signs."
        )


def correlation(rows: Tensor) -> Tensor:
    """Return the correlation matrix of the rows, (n, n).

    Raises:
        ScoringError: a row is constant, so that it has no correlation.
    """
    matrix = torch.corrcoef(rows).reshape(len(rows), len(rows))
    if not bool(matrix.isfinite().all()):
        raise ScoringError("The outputs do not depend on every input: a row of the Jacobian is constant.")
    return matrix
