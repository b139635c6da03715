"""Limits of the sizes of an architecture."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from archsieve.errors import SettingError
from archsieve.values import check_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from archsieve.spaces.sizes import SizeName


@dataclass(frozen=True)
class Limits:
    """Lower and upper limits of the sizes of an architecture; None: no limit.

    Args:
        max_macs: multiply-adds of one input.
        max_params: parameters.
        min_macs: multiply-adds of one input.
        min_params: parameters.
        max_published_flops: the count of the space's paper, in spaces that have one of their own.
        min_published_flops: the same.
        max_activation_bytes: the most memory of live tensors in a pass of one input, in 32 bits, without the weights.

    >>> Limits(max_macs=600e6).admits({"macs": 203_389_568})
    True
    """

    max_macs: float | None = None
    max_params: float | None = None
    min_macs: float | None = None
    min_params: float | None = None
    max_published_flops: float | None = None
    min_published_flops: float | None = None
    max_activation_bytes: float | None = field(default=None, metadata={"added": True})

    def __post_init__(self) -> None:
        """Check the numbers."""
        for each in fields(self):
            if (value := getattr(self, each.name)) is not None:
                check_number(each.name, value)
        if not self.bounds:
            raise SettingError(f"A limit needs at least one of {', '.join(f.name for f in fields(self))}.")
        for name, (least, most) in self.bounds.items():
            if not 0 <= least <= most or most == 0:
                raise SettingError(f"`0 <= min_{name} <= max_{name}` must hold, but got {least:g} and {most:g}.")

    @cached_property
    def bounds(self) -> dict[SizeName, tuple[float, float]]:
        """Lower and upper limit of each limited size."""
        names: tuple[SizeName, ...] = ("macs", "params", "published_flops", "activation_bytes")
        pairs = {name: (getattr(self, f"min_{name}", None), getattr(self, f"max_{name}")) for name in names}
        return {
            name: (0.0 if least is None else least, float("inf") if most is None else most)
            for name, (least, most) in pairs.items()
            if (least, most) != (None, None)
        }

    def admits(self, sizes: Mapping[Any, float]) -> bool:
        """Whether sizes, by name, are within the limits; NaN is not."""
        return all(least <= sizes[name] <= most for name, (least, most) in self.bounds.items())

    def excess(self, sizes: Mapping[Any, float]) -> float:
        """Return the sum of the relative excesses over the limits; 0 if all sizes are within."""
        return sum(
            max(0.0, least - sizes[name]) / max(least, 1.0) + max(0.0, sizes[name] - most) / most
            for name, (least, most) in self.bounds.items()
        )

    def __str__(self) -> str:
        """Return the limits as a formula."""
        words = []
        for name, (least, most) in self.bounds.items():
            low, high = f"{least:,.10g}", f"{most:,.10g}"
            lower = f"{low} <= " if least else ""
            words.append(f"{name} >= {low}" if most == float("inf") else f"{lower}{name} <= {high}")
        return " and ".join(words)
