"""Closed-form sizes of networks that consist of convolutions and one linear layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Convolution(NamedTuple):
    """A convolution: weights, output channels, output positions, and whether a BN follows or it has a bias."""

    weights: int
    channels: int
    positions: int
    normalised: bool = True
    biased: bool = False


def convolution(
    inputs: int,
    outputs: int,
    kernel: int,
    positions: int,
    *,
    groups: int = 1,
    normalised: bool = True,
    biased: bool = False,
) -> Convolution:
    """Return a convolution with these input and output channels, kernel side and output positions."""
    return Convolution(inputs // groups * outputs * kernel * kernel, outputs, positions, normalised, biased)


def params(convolutions: Iterable[Convolution]) -> int:
    """Return the parameters of convolutions and their affine BNs."""
    return sum(c.weights + (2 * c.normalised + c.biased) * c.channels for c in convolutions)


def macs(convolutions: Iterable[Convolution]) -> int:
    """Return the multiply-adds of one input through the convolutions."""
    return sum(c.weights * c.positions for c in convolutions)


def halved(side: int) -> int:
    """Return the output side after a stride of 2; odd sides are rounded up."""
    return (side + 1) // 2
