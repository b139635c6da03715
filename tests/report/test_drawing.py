"""Cells as SVG, and the shapes of the funnel."""

import math
import re
from xml.etree import ElementTree as ET

import pytest

from archsieve.report.drawing import cell_svg, widths
from archsieve.spaces.darts.space import DARTS
from archsieve.spaces.nasbench201.space import NASBench201


def read(svg):
    """Return title, nodes in order, labels of edges, and whether all that is drawn lies inside."""
    root = ET.fromstring(svg)  # noqa: S314 - our own
    _, _, width, height = map(float, root.get("viewBox").split())
    xs, ys = [], []
    for circle in root.iter("circle"):
        x, y, r = (float(circle.get(key)) for key in ("cx", "cy", "r"))
        xs += [x - r, x + r]
        ys += [y - r, y + r]
    for path in root.iter("path"):
        x1, y1, middle, control, x2, _ = map(float, re.findall(r"[-\d.]+", path.get("d")))
        xs += [x1, middle, x2]
        ys += [y1, (y1 + control) / 2]
    ys += [float(text.get("y")) for text in root.iter("text")]
    inside = min(xs) >= 0 and max(xs) <= width and min(ys) >= 0 and max(ys) <= height
    texts = {kind: [t.text for t in root.iter("text") if t.get("class") == kind] for kind in ("node", "operation")}
    return root.find("title").text, texts["node"], texts["operation"], inside


@pytest.mark.parametrize(
    ("edges", "nodes", "operations"),
    [
        ([("0", "1", "conv")], ["0", "1"], ["conv"]),
        ([("b", "c", "late"), ("a", "b", "early"), ("a", "c", "over")], ["a", "b", "c"], ["late", "early", "over"]),
        ([("a", "b", "one"), ("a", "b", "two")], ["a", "b"], ["one, two"]),
        ([("a", "b", "there"), ("b", "a", "back")], ["a", "b"], ["there", "back"]),
        ([("a", "b", "x"), ("b", "c", "y"), ("c", "a", "round")], ["a", "b", "c"], ["x", "y", "round"]),
        ([("a", "a", "itself")], ["a"], ["itself"]),
    ],
    ids=["one edge", "any order", "parallel", "there and back", "a circle", "a loop"],
)
def test_a_cell_is_drawn_whole(edges, nodes, operations):
    title, found, labels, inside = read(cell_svg("cell", edges))
    assert (found, labels, inside) == (nodes, operations, True)
    assert title.startswith("cell: ")
    for operation in operations:
        assert operation in title


def test_names_are_written_as_they_are():
    name, operation = "<b>&\"'", "</text><script>x</script>"
    title, nodes, operations, _ = read(cell_svg(name, [("<i>", "&amp;", operation)]))
    assert (nodes, operations) == (["<i>", "&amp;"], [operation])
    assert title == f"{name}: <i> to &amp; {operation}"


def test_a_cell_without_edges_is_said_in_words():
    assert ET.fromstring(cell_svg("a < b", [])).text == "a < b: no edges"  # noqa: S314
    picture = NASBench201().picture((0,) * 6)
    assert cell_svg("cell", picture.cells["cell"]) == "<p>cell: no edges</p>"


def test_a_cell_of_nasbench201():
    (edges,) = NASBench201().picture((3, 3, 3, 1, 2, 0)).cells.values()
    title, nodes, operations, inside = read(cell_svg("cell", edges))
    assert (nodes, inside) == (["0", "1", "2", "3"], True)
    assert operations == ["nor_conv_3x3"] * 3 + ["skip_connect", "nor_conv_1x1"]
    assert title.endswith("1 to 3 nor_conv_1x1")


def test_nodes_stand_as_they_are_first_named_where_their_inputs_allow():
    (edges, _) = DARTS().picture((0, 2, 2, 1, 3, 3, 0, 4, 4, 8, 5, 5, *(0,) * 12)).cells.values()
    assert read(cell_svg("normal", edges))[1] == ["0", "1", "2", "3", "4", "5"]


def test_the_funnel_narrows_by_logarithms():
    assert widths([1000, 1000, 10, 1]) == [(1.0, 1.0), (1.0, 0.4), (0.4, 0.1)]
    assert widths([1, 1]) == [(1.0, 1.0)]
    (both,) = widths([50, 7])
    assert both == (1.0, round(0.1 + 0.9 * math.log(7) / math.log(50), 4))
