"""Layers of which a part can be used: the first channels, and the centre of the kernel.

Which part is an argument, or the number of channels that comes in: a layer remembers nothing of its use. A layer whose
part is the whole is the torch layer it derives from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from archsieve.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence


def cut(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Return a view of a part of a layer's tensor: the first channels (outputs, inputs), the centre of the kernel.

    Args:
        tensor: of shape (outputs,), (outputs, inputs) or (outputs, inputs, *kernel).
        shape: of the part, no side longer than the tensor's.
    """
    if tuple(shape) == tuple(tensor.shape):
        return tensor
    begins = [
        0 if place < 2 else (whole - n) // 2 for place, (whole, n) in enumerate(zip(tensor.shape, shape, strict=True))
    ]
    return tensor[tuple(slice(begin, begin + n) for begin, n in zip(begins, shape, strict=True))]


class SlicedConv2d(nn.Conv2d):
    """A convolution with a square kernel, whole or depthwise, of which the first channels and the centre can be used.

    Raises:
        SettingError: it has groups of more than one channel.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1, bias: bool = False
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)
        if groups not in (1, inputs):
            raise SettingError(f"Only groups of one channel can be sliced, but got {inputs} channels in {groups}.")

    def forward(self, input: Tensor, outputs: int | None = None, kernel: int | None = None) -> Tensor:  # noqa: A002
        """Return `outputs` channels by a kernel of side `kernel`; None is all there are."""
        inputs = input.shape[1]
        is_depthwise = self.groups > 1
        outputs = inputs if is_depthwise else self.out_channels if outputs is None else outputs
        kernel = self.kernel_size[0] if kernel is None else kernel
        weight = cut(self.weight, (outputs, 1 if is_depthwise else inputs, kernel, kernel))
        bias = None if self.bias is None else cut(self.bias, (outputs,))
        groups = inputs if is_depthwise else 1
        return functional.conv2d(input, weight, bias, self.stride, kernel // 2, groups=groups)


class SlicedBatchNorm2d(nn.BatchNorm2d):
    """A batch normalisation of the first channels: affine weights and running statistics are sliced."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Return the normalised channels; in training mode their running statistics are updated, and no others."""
        channels = input.shape[1]
        if channels == self.num_features or self.running_mean is None or self.running_var is None:
            return super().forward(input) if channels == self.num_features else self._by_batch(input)
        factor = self.momentum or 0.0
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the mean over all batches
                factor = 1.0 / float(self.num_batches_tracked)
        mean, variance = cut(self.running_mean, (channels,)), cut(self.running_var, (channels,))
        return functional.batch_norm(input, mean, variance, *self._affine(channels), self.training, factor, self.eps)

    def _by_batch(self, inputs: Tensor) -> Tensor:
        return functional.batch_norm(inputs, None, None, *self._affine(inputs.shape[1]), training=True, eps=self.eps)

    def _affine(self, channels: int) -> tuple[Tensor | None, Tensor | None]:
        if not self.affine:
            return None, None
        return cut(self.weight, (channels,)), cut(self.bias, (channels,))


class SlicedLinear(nn.Linear):
    """A linear layer of the first inputs; its outputs are all there are."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Return the outputs of inputs (n, c)."""
        return functional.linear(input, cut(self.weight, (self.out_features, input.shape[1])), self.bias)
