"""Placement of point labels in a chart so that they overlap neither each other nor the points."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_RADII = (4.0, 10.0, 18.0, 28.0, 40.0, 54.0, 70.0)
_ANGLES = tuple(math.radians(angle) for angle in (25, 155, 335, 205, 90, 270, 0, 180, 60, 120, 240, 300))
_FAR = 16.0
"""From this distance on, a line joins a label with its point."""
_COVERS_TEXT, _COVERS_POINT, _COVERS_BAR, _OUTSIDE = 1000.0, 400.0, 12.0, 2000.0


class Box(NamedTuple):
    """A rectangle, given by its sides."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """Return the overlap with another rectangle as a share of the smaller one, in [0, 1]."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        if width <= 0 or height <= 0:
            return 0.0
        return width * height / max(1e-9, min(self._area, other._area))

    def is_inside(self, other: Box) -> bool:
        """Whether this rectangle lies inside the other one."""
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.bottom <= self.bottom <= self.top <= other.top
        )

    @property
    def middle(self) -> tuple[float, float]:
        """The centre."""
        return (self.left + self.right) / 2, (self.bottom + self.top) / 2

    @property
    def _area(self) -> float:
        return (self.right - self.left) * (self.top - self.bottom)


class Place(NamedTuple):
    """The box of a label, and whether it needs a line to its distant point."""

    box: Box
    is_far: bool


def places(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    bounds: Box,
    taken: Sequence[Box] = (),
    bars: Sequence[Box] = (),
) -> list[Place]:
    """Return the place of each label: the nearest free one, else the one with the least overlap.

    Args:
        points: what the labels are of, in any unit of length that the other arguments share.
        sizes: width and height of each label.
        bounds: the area of the chart.
        taken: other things that a label must not cover, such as the markers of points.
        bars: things that a label should not cover, such as error bars.
    """
    found: dict[int, Place] = {}
    for i in sorted(range(len(points)), key=lambda i: -_neighbours(points, i)):  # the crowded ones first
        texts = [place.box for place in found.values()]

        def cost(place: Place, radius: float, texts: Sequence[Box] = texts) -> float:
            covered = _COVERS_TEXT * sum(place.box.overlap(other) > 0 for other in texts)
            covered += _COVERS_POINT * sum(place.box.overlap(other) > 0 for other in taken)
            covered += _COVERS_BAR * sum(place.box.overlap(other) > 0 for other in bars)
            return radius + covered + (0.0 if place.box.is_inside(bounds) else _OUTSIDE)

        candidates = [(radius, _at(points[i], sizes[i], radius, angle)) for radius in _RADII for angle in _ANGLES]
        found[i] = min(candidates, key=lambda candidate: cost(candidate[1], candidate[0]))[1]
    return [found[i] for i in range(len(points))]


def _at(point: tuple[float, float], size: tuple[float, float], radius: float, angle: float) -> Place:
    width, height = size
    x = point[0] + math.cos(angle) * (radius + width / 2)
    y = point[1] + math.sin(angle) * (radius + height / 2)
    return Place(Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2), radius >= _FAR)


def _neighbours(points: Sequence[tuple[float, float]], i: int) -> int:
    return sum(math.dist(points[i], other) < _RADII[-1] for other in points)
