"""Charts drawn: what a page gets of them, and what is refused to become a part of it."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from archsieve.report.draw import figure_of, save, svg
from archsieve.report.plot import COLOURS, Axis, Bars, Chart, Histogram, Line, Points, Rule, array

HOSTILE = '<img src=x onerror="alert(1)"> $\\frac{$ </svg>'
X = array([0.1, 0.2, 0.4])


def chart(**changes):
    marks = [
        Line(X, X, "line", "pink", "dashed", band=X / 10),
        Points(X, X, "points", "orange", "*", 9, ["first", "second", HOSTILE], ["1", "2", HOSTILE]),
        Rule(0.3, HOSTILE),
    ]
    return Chart(**{"name": "one", "title": HOSTILE, "marks": marks, "x": Axis("x", "log", "share"), **changes})


def texts(element):
    return [text.text for text in element.iter("{http://www.w3.org/2000/svg}text")]


def test_points_have_their_tips_and_labels():
    root = ET.fromstring(svg(chart()))  # noqa: S314 - our own
    tips = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert tips == ["first", "second", HOSTILE]
    assert {"1", "2", "line", "points", "x", "10 %"} <= set(texts(root))
    assert [e for e in root.iter() if e.tag.endswith("img")] == []
    assert root.get("aria-label").startswith(HOSTILE)


def test_colours_are_the_pages_and_of_a_file_fixed(tmp_path):
    drawn = svg(chart())
    assert "var(--pink)" in drawn
    assert "var(--orange)" in drawn
    assert re.findall(r"#[0-9a-f]{6}\b", drawn) == []
    (png, file) = save(chart(), tmp_path)
    assert COLOURS["pink"][0] in file.read_text()
    assert png.read_bytes().startswith(b"\x89PNG")


def test_names_inside_are_unique_on_a_page_and_found():
    both = [svg(chart()), svg(chart(name="two"))]
    ids = [re.findall(r' id="([^"]+)"', drawn) for drawn in both]
    assert ids[0]
    assert len({*ids[0], *ids[1]}) == len(ids[0]) + len(ids[1])
    for drawn, known in zip(both, ids, strict=True):
        used = re.findall(r'(?:href="#|url\(#)([^")]+)', drawn)
        assert set(used) == set(known)


def test_the_same_chart_is_the_same_text():
    assert svg(chart()) == svg(chart())


def test_bars_and_histograms_are_drawn_with_their_words():
    bars = Bars(["stage 1", "random search"], [3.0, 1e11], ["3", "found $1"], ["blue", "grey"])
    counts = Histogram([("cut", "cut", X), ("kept", "blue", X)], np.linspace(0, 1, 5))
    for mark, words in ((bars, {"stage 1", "random search", "found $1"}), (counts, {"cut", "kept"})):
        root = ET.fromstring(svg(chart(marks=[mark], x=Axis("x"))))  # noqa: S314 - our own
        assert words <= set(texts(root))


def test_many_points_stay_small():
    n = 2000
    points = Points(np.linspace(0, 1, n), np.linspace(0, 1, n), "", "blue", "o", 4, ["tip"] * n)
    drawn = svg(chart(marks=[points], x=Axis("x")))
    assert drawn.count("<title>") == n
    assert len(drawn) < 130 * n + 20_000


def test_bars_without_length_start_at_zero():
    for lengths, right in (([0.0, 0.0], 1.0), ([3.0, 0.0], 3.75)):
        chart = Chart("a", "b", [Bars(["x", "y"], np.array(lengths), ["0", "0"])], Axis("t"), Axis(), "c", 100)
        assert figure_of(chart).axes[0].get_xlim() == (0.0, pytest.approx(right))
