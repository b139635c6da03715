"""Comparison of recorded figures with recomputed ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archsieve._reading import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RELATIVE = 1e-6
"""How far a figure may be from the recorded one on another processor, or by other versions of the libraries."""
WIDER = {
    "vkdnw": 1e-5,
    **dict.fromkeys(("az_progressivity", "epe_nas", "jacov", "plain"), 1e-4),
    "grasp": 1e-2,
    **dict.fromkeys(("lswag", "zico"), 5e-2),
}
"""The same for proxies whose formula amplifies rounding: five to twenty times what was measured on other processors."""
_SHOWN = 5  # deviations that are listed
_TIMES = ("seconds", "hours")  # parts of names whose values no two runs share
_NOT_COMPARED = ("versions", "processor", "path", "command")


@dataclass(frozen=True)
class Deviation:
    """A figure that differs from the recorded one; `relative` is infinite if one of them is not a number."""

    what: str
    recorded: Any
    computed: Any
    relative: float


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    Attributes:
        compared: how many figures.
        equal: how many are equal to the last bit.
        outside: how many are outside of the tolerance.
        worst: the greatest relative deviation.
        deviations: the first five outside.
        wider: proxies that had a tolerance of their own.
    """

    compared: int
    equal: int
    outside: int
    worst: float
    deviations: tuple[Deviation, ...] = field(default=())
    wider: tuple[str, ...] = ()


def relative(recorded: Any, computed: Any) -> float:
    """Return the relative deviation; 0 if both are equal or both NaN.

    >>> relative(2.0, 2.0), relative(2.0, 1.5), relative(float("nan"), 1.0), relative("a", "b")
    (0.0, 0.25, inf, inf)
    """
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (recorded, computed))
    if recorded == computed or (numbers and recorded != recorded and computed != computed):
        return 0.0
    if not numbers or not (math.isfinite(recorded) and math.isfinite(computed)):
        return math.inf
    return float(abs(recorded - computed) / max(abs(recorded), abs(computed)))


def compare(pairs: Iterable[tuple[str, Any, Any]], tolerance: float) -> Comparison:
    """Compare figures, given as (name, recorded value, recomputed value).

    Where the tolerance is not 0, scores of the proxies in `WIDER` have one of their own; such figures are called
    "PROXY of ARCHITECTURE".
    """
    compared = equal = outside = 0
    worst = 0.0
    deviations: list[Deviation] = []
    wider: set[str] = set()
    for what, recorded, computed in pairs:
        distance = relative(recorded, computed)
        compared, equal, worst = compared + 1, equal + (distance == 0), max(worst, distance)
        proxy, of, _ = what.partition(" of ")
        is_wider = bool(tolerance and of and proxy in WIDER)
        wider |= {proxy} if is_wider else set()
        if distance > (WIDER[proxy] if is_wider else tolerance):
            outside += 1
            if len(deviations) < _SHOWN:
                deviations.append(Deviation(quoted(what), _short(recorded), _short(computed), distance))
    return Comparison(compared, equal, outside, worst, tuple(deviations), tuple(sorted(wider)))


def leaves(recorded: Any, computed: Any, name: str = "") -> Iterable[tuple[str, Any, Any]]:
    """Yield the figures of two nested results by dotted name, without times and provenance."""
    if isinstance(recorded, dict) and isinstance(computed, dict):
        for key in sorted(recorded.keys() | computed.keys()):
            if not any(part in key for part in _TIMES) and key not in _NOT_COMPARED:
                yield from leaves(recorded.get(key), computed.get(key), f"{name}.{key}" if name else key)
    elif isinstance(recorded, list) and isinstance(computed, list) and len(recorded) == len(computed):
        for place, (before, now) in enumerate(zip(recorded, computed, strict=True)):
            yield from leaves(before, now, f"{name}.{place}" if name else str(place))
    else:
        yield name, recorded, computed


def tolerance_of(recorded: Mapping[str, str], processor: str, here: Mapping[str, str], own: str) -> float:
    """Return the tolerance: 0 if processor and library versions are as recorded, else 1e-6."""
    libraries = ("numpy", "torch", "scikit-learn")
    is_same = bool(processor) and processor == own
    is_same = is_same and all(recorded[name] == here.get(name) for name in libraries if name in recorded)
    return 0.0 if is_same else RELATIVE


def _short(value: Any) -> Any:
    return value if isinstance(value, int | float) or value is None else quoted(value)
