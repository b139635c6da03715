"""Sliceable layers: a part uses the first channels and the centre of the kernel.

Channels may lie in segments side by side: those of several maps, or of the heads of an attention. The first channels
are then those of each segment, and later segments may be missing. Which part is an argument, or the number of channels
that comes in: a layer remembers nothing of its use. A layer whose part is the whole is the torch layer it derives from.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from archsieve.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

Segments: TypeAlias = tuple[int, ...]
Channels: TypeAlias = int | Segments
"""How many, or how many of each segment."""


def segments_of(channels: Channels) -> Segments:
    """Return channels by segment; a number is a single segment."""
    return (channels,) if isinstance(channels, int) else channels


def ranges(whole: Segments, part: Segments) -> Iterator[tuple[int, int]]:
    """Yield the start of each of the slice's segments in the whole layer, and its length."""
    return zip(accumulate(whole[:-1], initial=0), part, strict=False)


def cut(tensor: Tensor, dimension: int, whole: Segments, part: Segments) -> Tensor:
    """Return the first channels of each segment along a dimension: the tensor itself, a view, or a copy.

    Args:
        tensor: as long along `dimension` as all segments together.
        dimension: where the channels lie.
        whole: the segments' lengths.
        part: the lengths wanted, none of them longer; segments may be missing at the end.
    """
    if part == whole:
        return tensor
    pieces = [tensor.narrow(dimension, begin, length) for begin, length in ranges(whole, part)]
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dimension)


class SlicedConv2d(nn.Conv2d):
    """A full or depthwise convolution with a square kernel, of which first channels and kernel centre can be used.

    Raises:
        SettingError: it has groups of more than one channel.
    """

    def __init__(
        self, inputs: Channels, outputs: Channels, kernel: int, stride: int = 1, *, groups: int = 1, bias: bool = False
    ) -> None:
        channels = sum(segments_of(inputs))
        super().__init__(channels, sum(segments_of(outputs)), kernel, stride, kernel // 2, groups=groups, bias=bias)
        self.inputs, self.outputs = segments_of(inputs), segments_of(outputs)
        if groups not in (1, channels):
            raise SettingError(f"Only groups of one channel can be sliced, but got {channels} channels in {groups}.")

    def forward(
        self,
        input: Tensor,  # noqa: A002
        outputs: Channels | None = None,
        kernel: int | None = None,
        inputs: Channels | None = None,
    ) -> Tensor:
        """Return `outputs` channels from a kernel of side `kernel`; None means all.

        `inputs` says of which segments the channels of `input` are; None is one. Depthwise they are those of the
        outputs.
        """
        of = segments_of(input.shape[1] if inputs is None else inputs)
        to = of if self._is_depthwise else self.outputs if outputs is None else segments_of(outputs)
        side = self.kernel_size[0] if kernel is None else kernel
        bias = None if self.bias is None else cut(self.bias, 0, self.outputs, to)
        groups = input.shape[1] if self._is_depthwise else 1
        return functional.conv2d(input, self._weight(of, to, side), bias, self.stride, side // 2, groups=groups)

    def part(self, name: str, smaller: SlicedConv2d) -> Tensor:
        """Return the slice of the named tensor for a smaller layer."""
        if name == "weight":
            return self._weight(smaller.inputs, smaller.outputs, smaller.kernel_size[0])
        return cut(getattr(self, name), 0, self.outputs, smaller.outputs)

    @property
    def _is_depthwise(self) -> bool:
        return self.groups > 1

    def _weight(self, inputs: Segments, outputs: Segments, kernel: int) -> Tensor:
        weight, begin = cut(self.weight, 0, self.outputs, outputs), (self.kernel_size[0] - kernel) // 2
        if not self._is_depthwise:
            weight = cut(weight, 1, self.inputs, inputs)
        return weight[:, :, begin : begin + kernel, begin : begin + kernel] if begin else weight


class SlicedBatchNorm2d(nn.BatchNorm2d):
    """A batch normalisation whose affine weights and running statistics are sliced to the first channels."""

    def __init__(self, channels: Channels, **settings: Any) -> None:
        super().__init__(sum(segments_of(channels)), **settings)
        self.channels = segments_of(channels)

    def forward(self, input: Tensor, channels: Channels | None = None) -> Tensor:  # noqa: A002
        """Return the normalised channels; in training only their running statistics are updated.

        `channels` says of which segments they are; None is one.
        """
        part = segments_of(input.shape[1] if channels is None else channels)
        if part == self.channels:
            return super().forward(input)
        if self.running_mean is None or self.running_var is None:
            return functional.batch_norm(input, None, None, *self._affine(part), training=True, eps=self.eps)
        factor = self.momentum or 0.0
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the mean over all batches
                factor = 1.0 / float(self.num_batches_tracked)
        mean, variance = cut(self.running_mean, 0, self.channels, part), cut(self.running_var, 0, self.channels, part)
        outputs = functional.batch_norm(input, mean, variance, *self._affine(part), self.training, factor, self.eps)
        if self.training and len(part) > 1:  # then those were copies
            self._put(self.running_mean, mean, part)
            self._put(self.running_var, variance, part)
        return outputs

    def part(self, name: str, smaller: SlicedBatchNorm2d) -> Tensor:
        """Return the slice of the named tensor for a smaller layer."""
        tensor: Tensor = getattr(self, name)
        return cut(tensor, 0, self.channels, smaller.channels) if tensor.dim() else tensor

    def _put(self, whole: Tensor, values: Tensor, part: Segments) -> None:
        for (begin, length), segment in zip(ranges(self.channels, part), torch.split(values, list(part)), strict=True):
            whole[begin : begin + length] = segment

    def _affine(self, part: Segments) -> tuple[Tensor | None, Tensor | None]:
        if not self.affine:
            return None, None
        return cut(self.weight, 0, self.channels, part), cut(self.bias, 0, self.channels, part)


class SlicedLinear(nn.Linear):
    """A linear layer that can use only the first inputs; it always has all outputs."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Return the outputs of inputs (n, c)."""
        return functional.linear(input, self._weight(input.shape[1]), self.bias)

    def part(self, name: str, smaller: SlicedLinear) -> Tensor:
        """Return the slice of the named tensor for a smaller layer."""
        tensor: Tensor = getattr(self, name)
        return self._weight(smaller.in_features) if name == "weight" else tensor

    def _weight(self, inputs: int) -> Tensor:
        return cut(self.weight, 1, (self.in_features,), (inputs,))


class ConvNorm(nn.Module):
    """A convolution without bias and a batch normalisation.

    Args:
        inputs: channels that come in.
        outputs: channels that come out.
        kernel: its side.
        stride: its step.
        groups: 1, or as many as channels.
        norm: class of the normalisation.
    """

    def __init__(
        self,
        inputs: Channels,
        outputs: Channels,
        kernel: int,
        stride: int = 1,
        *,
        groups: int = 1,
        norm: type[SlicedBatchNorm2d] = SlicedBatchNorm2d,
    ) -> None:
        super().__init__()
        self.conv = SlicedConv2d(inputs, outputs, kernel, stride, groups=groups)
        self.norm = norm(outputs)

    def forward(
        self, inputs: Tensor, outputs: Channels, kernel: int | None = None, segments: Channels | None = None
    ) -> Tensor:
        """Return that many channels from a kernel of that side; `segments` are the inputs' (None: one)."""
        return self.norm(self.conv(inputs, outputs, kernel, segments), outputs)  # type: ignore[no-any-return]
