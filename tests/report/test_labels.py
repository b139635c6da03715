"""Labels of points: none covers another or a point where there is room, and a far one has a line to its point."""

import itertools

import numpy as np
import pytest

from archsieve.report.draw import figure_of
from archsieve.report.labels import Box, places
from archsieve.report.plot import Axis, Chart, Points

BOUNDS = Box(0, 0, 430, 300)


def markers(points):
    return [Box(x - 3, y - 3, x + 3, y + 3) for x, y in points]


def covers(boxes, others):
    return [(a, b) for a, b in itertools.product(boxes, others) if a.overlap(b) > 0]


@pytest.mark.parametrize("seed", range(5))
def test_fifteen_labels_of_a_crowd_overlap_nothing(seed):
    points = [tuple(point) for point in np.random.default_rng(seed).normal((300, 150), 30, (15, 2)).tolist()]
    sizes = [(10 + 6 * (i % 9), 12) for i in range(15)]
    found = [place.box for place in places(points, sizes, BOUNDS, markers(points))]
    assert not [(a, b) for a, b in itertools.combinations(found, 2) if a.overlap(b) > 0]
    assert not covers(found, markers(points))
    assert all(box.is_inside(BOUNDS) for box in found)
    assert [round(side) for box in found for side in (box.right - box.left, box.top - box.bottom)] == [
        side for size in sizes for side in size
    ]


def test_a_label_alone_is_beside_its_point_and_one_in_a_crowd_has_a_line():
    (alone,) = places([(200, 150)], [(40, 12)], BOUNDS, markers([(200, 150)]))
    assert not alone.is_far
    crowd = [(200 + i / 10, 150) for i in range(12)]
    assert any(place.is_far for place in places(crowd, [(60, 12)] * 12, BOUNDS, markers(crowd)))


def test_a_label_at_the_edge_stays_inside_and_avoids_bars():
    (corner,) = places([(428, 298)], [(80, 12)], BOUNDS)
    assert corner.box.is_inside(BOUNDS)
    bar = Box(199, 100, 201, 290)
    (beside,) = places([(200, 150)], [(40, 12)], BOUNDS, markers([(200, 150)]), [bar])
    assert beside.box.overlap(bar) == 0


def test_the_labels_of_a_chart_do_not_overlap():
    x, y = np.array([0.58, 0.581, 0.582, 0.6, 0.3, np.nan]), np.array([93.7, 93.8, 93.75, 93.7, 90.0, 1.0])
    names = ["trainable_layers", "params", "macs", "synflow_log", "zen", "nobody"]
    chart = Chart("a", "b", [Points(x, y, labels=names)], Axis("tau"), Axis("accuracy"), "c", 320)
    (axes,) = figure_of(chart).axes
    shown = [text for text in axes.texts if text.get_text()]
    assert [text.get_text() for text in shown] == names[:5]
    boxes = [text.get_window_extent() for text in shown]
    assert not [(a, b) for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]
