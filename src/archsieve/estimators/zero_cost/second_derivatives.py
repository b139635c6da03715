"""Convolutions and batch normalisation with fast second derivatives.

torch differentiates a convolution twice by convolutions with kernels as large as the map, and batch normalisation by
some thirty passes over it: together most of the time of a second derivative. Here each of a convolution's three
bilinear maps (output, gradient by the inputs, gradient by the weight) has the other two as its gradients, and the
second derivative of batch normalisation is in closed form. Both run on the kernels that torch has for first gradients.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.functional import batch_norm
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONVOLUTIONS = {torch.conv1d: 1, torch.conv2d: 2, torch.conv3d: 3}
_ATTENTION = frozenset({nn.functional.scaled_dot_product_attention, nn.functional.multi_head_attention_forward})
_ONLY_INPUTS: ContextVar[bool] = ContextVar("only_inputs", default=False)


def may_be_exact(network: nn.Module) -> bool:
    """Whether no layer of a network is known to violate `FastSecondDerivatives.is_exact`."""
    return not any(isinstance(m, nn.modules.conv._ConvNd) and m.bias is not None for m in network.modules())


@contextmanager
def by_inputs_only() -> Iterator[None]:
    """Skip gradients by convolution weights inside the context, because torch does not say what is requested."""
    token = _ONLY_INPUTS.set(True)
    try:
        yield
    finally:
        _ONLY_INPUTS.reset(token)


class FastSecondDerivatives(TorchFunctionMode):
    """Replaces convolutions and batch normalisation by those of this module inside the context.

    Results are the same up to rounding. Gradients of gradients by weight and bias of a batch normalisation are not
    tracked: they are constants.

    Attributes:
        is_exact: whether, on a CPU, outputs and first gradients of what was computed so far are those without this
            context to the bit: a bias of a convolution is added by itself, and attention may have other kernels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_exact = True

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in _CONVOLUTIONS:
            self.is_exact &= (args[2] if len(args) > 2 else (kwargs or {}).get("bias")) is None
            return _convolution(_CONVOLUTIONS[func], func, *args, **(kwargs or {}))
        if func is batch_norm:
            return _batch_norm(*args, **(kwargs or {}))
        self.is_exact &= func not in _ATTENTION
        return func(*args, **(kwargs or {}))


class _Geometry(NamedTuple):
    """The geometry of a convolution: stride, padding, dilation and groups."""

    stride: list[int]
    padding: list[int]
    dilation: list[int]
    groups: int

    def output(self, inputs: Tensor, weight: Tensor) -> Tensor:
        none = [0] * len(self.stride)
        output: Tensor = torch.ops.aten.convolution(
            inputs, weight, None, self.stride, self.padding, self.dilation, False, none, self.groups
        )
        return output

    def backward(self, gradient: Tensor, inputs: Tensor, weight: Tensor, wanted: int) -> Tensor:
        """Return the gradient by the inputs (wanted = 0) or by the weight (1)."""
        none, mask = [0] * len(self.stride), [wanted == 0, wanted == 1, False]
        gradients: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
            gradient, inputs, weight, None, self.stride, self.padding, self.dilation, False, none, self.groups, mask
        )
        return gradients[wanted]


class _Output(Function):
    """The convolution: bilinear in inputs and weight."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, geometry: _Geometry) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.geometry = geometry
        return geometry.output(inputs, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        inputs, weight = ctx.saved_tensors
        by_inputs = _ByInputs.apply(gradient, weight, inputs, ctx.geometry) if ctx.needs_input_grad[0] else None
        is_asked = ctx.needs_input_grad[1] and not _ONLY_INPUTS.get()
        by_weight = _ByWeight.apply(gradient, inputs, weight, ctx.geometry) if is_asked else None
        return by_inputs, by_weight, None


class _ByInputs(Function):
    """The gradient by the inputs: bilinear in output gradient and weight; the inputs only give the shape."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor, inputs: Tensor, geometry: _Geometry) -> Tensor:
        ctx.save_for_backward(gradient, weight)
        ctx.geometry = geometry
        return geometry.backward(gradient, inputs, weight, 0)

    @staticmethod
    def backward(ctx: Any, upper: Tensor) -> Any:
        gradient, weight = ctx.saved_tensors
        by_gradient = _Output.apply(upper, weight, ctx.geometry) if ctx.needs_input_grad[0] else None
        by_weight = _ByWeight.apply(gradient, upper, weight, ctx.geometry) if ctx.needs_input_grad[1] else None
        return by_gradient, by_weight, None, None


class _ByWeight(Function):
    """The gradient by the weight: bilinear in output gradient and inputs; the weight only gives the shape."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, inputs: Tensor, weight: Tensor, geometry: _Geometry) -> Tensor:
        ctx.save_for_backward(gradient, inputs)
        ctx.geometry = geometry
        return geometry.backward(gradient, inputs, weight, 1)

    @staticmethod
    def backward(ctx: Any, upper: Tensor) -> Any:
        gradient, inputs = ctx.saved_tensors
        by_gradient = _Output.apply(inputs, upper, ctx.geometry) if ctx.needs_input_grad[0] else None
        by_inputs = _ByInputs.apply(gradient, upper, inputs, ctx.geometry) if ctx.needs_input_grad[1] else None
        return by_gradient, by_inputs, None, None


def _convolution(
    sides: int,
    func: Any,
    input: Tensor,  # noqa: A002 - torch's name, which a caller may use
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    if isinstance(padding, str) or input.dim() != sides + 2:
        return func(input, weight, bias, stride, padding, dilation, groups)

    def a_side(value: Any) -> list[int]:
        values = [value] if isinstance(value, int) else list(value)
        return values * sides if len(values) == 1 else values

    geometry = _Geometry(a_side(stride), a_side(padding), a_side(dilation), groups)
    output: Tensor = _Output.apply(input, weight, geometry)
    return output if bias is None else output + bias.view(-1, *[1] * sides)


class _Normalised(Function):
    """Batch normalisation by the statistics of the batch."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, *settings: Any) -> Tensor:
        running_mean, running_var, momentum, ctx.eps = settings
        output: Tensor
        output, mean, inverse = torch.ops.aten.native_batch_norm(
            inputs, weight, bias, running_mean, running_var, True, momentum, ctx.eps
        )
        ctx.save_for_backward(inputs, weight, mean, inverse)
        ctx.has_bias = bias is not None
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        by_inputs, by_weight, by_bias = _ByNormalised.apply(gradient, *ctx.saved_tensors, ctx.eps)
        return by_inputs, by_weight, by_bias if ctx.has_bias else None, None, None, None, None


class _ByNormalised(Function):
    """The gradient of batch normalisation.

    With xhat = (x - mean) * inverse, and means over the items of a channel, it is, for the output's gradient g,
    weight * inverse * (g - s - xhat * r), with s = mean(g) and r = mean(g * xhat). It is linear in g and its own
    adjoint, so that its gradient by g is the same map of the upper gradient v. Its gradient by x, by hand and with
    t = mean(v * xhat), is
    weight * inverse^2 * (mean(v) r + s t - r v - t g + xhat * (3 r t + s mean(v) - mean(v g))).
    """

    @staticmethod
    def forward(
        ctx: Any, gradient: Tensor, inputs: Tensor, weight: Tensor, mean: Tensor, inverse: Tensor, eps: float
    ) -> Any:
        by_inputs, by_weight, by_bias = _native_backward(gradient, inputs, weight, mean, inverse, eps)
        ctx.save_for_backward(gradient, inputs, weight, mean, inverse, by_weight, by_bias)
        ctx.eps = eps
        ctx.mark_non_differentiable(by_weight, by_bias)
        return by_inputs, by_weight, by_bias

    @staticmethod
    def backward(ctx: Any, upper: Tensor, *_: Tensor) -> Any:
        gradient, inputs, weight, mean, inverse, by_weight, by_bias = ctx.saved_tensors
        by_gradient, sum_t, sum_v = _native_backward(upper, inputs, weight, mean, inverse, ctx.eps)
        items = inputs.numel() // inputs.shape[1]
        s, r, t, v = (total / items for total in (by_bias, by_weight, sum_t, sum_v))
        vg = (upper * gradient).sum([0, *range(2, inputs.dim())]) / items
        scale = weight * inverse * inverse
        of_inputs = scale * inverse * (3 * r * t + s * v - vg)
        constant = scale * (v * r + s * t) - of_inputs * mean
        shape = [-1, *[1] * (inputs.dim() - 2)]
        by_inputs = torch.addcmul(constant.view(shape), inputs, of_inputs.view(shape))
        by_inputs.addcmul_(upper, (-scale * r).view(shape)).addcmul_(gradient, (-scale * t).view(shape))
        return by_gradient, by_inputs, None, None, None, None


def _native_backward(
    gradient: Tensor, inputs: Tensor, weight: Tensor, mean: Tensor, inverse: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients by inputs, weight (sum of gradient * xhat) and bias (sum of gradient)."""
    mask = [True, True, True]
    gradients: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.native_batch_norm_backward(
        gradient, inputs, weight, None, None, mean, inverse, True, eps, mask
    )
    return gradients


def _batch_norm(
    input: Tensor,  # noqa: A002 - torch's name, which a caller may use
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if not training:
        return batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    scale = input.new_ones(input.shape[1]) if weight is None else weight
    settings = (running_mean, running_var, momentum, eps)
    return _Normalised.apply(input, scale, bias, *settings)
