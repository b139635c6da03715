"""Closed-form sizes of DARTS networks as sums over edges, so that 100,000 codes take a second."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from archsieve.errors import SettingError
from archsieve.spaces.darts.cell import DILATED_3, DILATED_5, INPUTS, OPERATIONS, SEPARABLE_3, SEPARABLE_5, SKIP
from archsieve.spaces.layers import convolutions
from archsieve.spaces.layers.convolutions import Convolution, convolution, halved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from archsieve.spaces.darts.cell import CellEdge
    from archsieve.spaces.darts.space import DARTS

KERNELS = {SEPARABLE_3: 3, SEPARABLE_5: 5, DILATED_3: 3, DILATED_5: 5}
SEPARABLE = (SEPARABLE_3, SEPARABLE_5)
AUXILIARY_WIDTHS = (128, 768)

_Sides: TypeAlias = tuple[int, int]


class _Sums(NamedTuple):
    """Parameters and multiply-adds."""

    params: int
    macs: int


class OperationSizes(NamedTuple):
    """Sizes of the parts common to all networks, and of operations by (is reduction cell, has stride 2, operation)."""

    fixed: _Sums
    operations: dict[tuple[bool, bool, int], _Sums]

    def total(self, normal: Iterable[CellEdge], reduction: Iterable[CellEdge]) -> _Sums:
        """Return the sizes of the network with these edges."""
        params, macs = self.fixed
        for is_reduction, edges in ((False, normal), (True, reduction)):
            for source, _, operation in edges:
                own = self.operations[is_reduction, is_reduction and source in INPUTS, operation]
                params, macs = params + own.params, macs + own.macs
        return _Sums(params, macs)


@lru_cache(maxsize=16)
def operation_sizes(space: DARTS, input_shape: tuple[int, ...], outputs: int) -> OperationSizes:
    """Return the part sizes of a space's networks for inputs of a shape.

    Raises:
        SettingError: the auxiliary head does not fit the shape.
    """
    channels, height, width = input_shape
    fixed, sizes = _stem(space, channels, (height, width))
    by_operation = {(r, s, o): _Sums(0, 0) for r in (False, True) for s in {False, r} for o in range(len(OPERATIONS))}
    auxiliary = 0
    for i, cell in enumerate(space.cells()):
        here = sizes[1]
        fixed += [convolution(inputs, cell.width, 1, _positions(here)) for inputs in cell.inputs]
        out = _halved(here) if cell.is_reduction else here
        for (is_reduction, strided, operation), sums in by_operation.items():
            if is_reduction == cell.is_reduction:
                own = _sums(_operation(operation, cell.width, _positions(out), strided))
                by_operation[is_reduction, strided, operation] = _Sums(sums.params + own.params, sums.macs + own.macs)
        sizes = here, out
        if space.auxiliary and i == space.auxiliary_after:
            check_auxiliary(space, out)
            auxiliary = convolutions.params(_auxiliary(space, cell.outputs)) + (AUXILIARY_WIDTHS[1] + 1) * outputs
    last = space.cells()[-1].outputs
    params, macs = _sums(fixed)
    return OperationSizes(_Sums(params + (last + 1) * outputs + auxiliary, macs + last * outputs), by_operation)


def check_auxiliary(space: DARTS, sides: _Sides) -> None:
    """Check that the auxiliary head reduces maps of these sides to 2 x 2.

    Raises:
        SettingError: it does not.
    """
    stride = auxiliary_stride(space)
    least, most = 5 + stride, 4 + 2 * stride
    if not all(least <= side <= most for side in sides):
        raise SettingError(
            f"The auxiliary head needs maps of {least} to {most} pixels a side after the second reduction, but gets "
            f"{sides[0]} x {sides[1]}: set auxiliary to false, or choose another stem or images of another size."
        )


def auxiliary_stride(space: DARTS) -> int:
    """Return the stride of the pooling before the auxiliary head."""
    return 2 if space.stem == "imagenet" else 3


def _stem(space: DARTS, channels: int, sides: _Sides) -> tuple[list[Convolution], tuple[_Sides, _Sides]]:
    """Return the convolutions of the stem, and the sides of its two output maps."""
    if space.stem == "cifar":
        return [convolution(channels, 3 * space.width, 3, _positions(sides))], (sides, sides)
    widths = (channels, space.width // 2, space.width, space.width)
    layers, passed = [], [sides]
    for inputs, outputs in pairwise(widths):
        passed.append(_halved(passed[-1]))
        layers.append(convolution(inputs, outputs, 3, _positions(passed[-1])))
    return layers, (passed[2], passed[3])


def _operation(operation: int, width: int, positions: int, strided: bool) -> Iterator[Convolution]:
    """Yield the convolutions of an operation."""
    if operation in KERNELS:
        for _ in range(2 if operation in SEPARABLE else 1):
            yield convolution(width, width, KERNELS[operation], positions, groups=width, normalised=False)
            yield convolution(width, width, 1, positions)
    elif operation == SKIP and strided:
        yield convolution(width, width, 1, positions)


def _auxiliary(space: DARTS, inputs: int) -> Iterator[Convolution]:
    first, second = AUXILIARY_WIDTHS
    yield convolution(inputs, first, 1, 4)
    yield convolution(first, second, 2, 1, normalised=space.stem == "cifar")


def _sums(layers: Iterable[Convolution]) -> _Sums:
    layer_list = list(layers)
    return _Sums(convolutions.params(layer_list), convolutions.macs(layer_list))


def _positions(sides: _Sides) -> int:
    return sides[0] * sides[1]


def _halved(sides: _Sides) -> _Sides:
    return halved(sides[0]), halved(sides[1])
