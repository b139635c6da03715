"""The colours of charts: they can be told apart by the colour-blind, and seen on paper and in a dark browser."""

from itertools import combinations

import numpy as np
import pytest

from archsieve.report.plot import COLOURS, DASHES, SERIES

# Machado, Oliveira and Fernandes 2009, severity 1.0: what is seen of linear RGB.
SIGHT = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
IN_ONE_CHART = (*SERIES, "orange", "green")


def linear(colour):
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """Return CIELAB of linear RGB, in which a distance of 2 is just noticed side by side."""
    shares = np.array(TO_XYZ) @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    x, y, z = np.where(shares > 0.008856, np.cbrt(shares), 7.787 * shares + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_a_distance_by_hand():
    assert np.linalg.norm(lab(linear("#ffffff")) - lab(linear("#000000"))) == pytest.approx(100, abs=0.1)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("sight", list(SIGHT))
def test_colours_of_one_chart_can_be_told_apart(mode, sight):
    seen = {name: lab(np.array(SIGHT[sight]) @ linear(COLOURS[name][mode])) for name in IN_ONE_CHART}
    nearest = min(np.linalg.norm(seen[a] - seen[b]) for a, b in combinations(seen, 2))
    assert nearest > 11


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("names", "least"), [((*IN_ONE_CHART, "grey"), 3.0), (("ink", "grey"), 4.5)])
def test_colours_can_be_seen_on_their_paper(mode, names, least):
    luminance = {name: float(np.array(TO_XYZ[1]) @ linear(COLOURS[name][mode])) for name in (*names, "paper")}
    for name in names:
        low, high = sorted((luminance[name], luminance["paper"]))
        assert (high + 0.05) / (low + 0.05) >= least, name


def test_no_colour_has_two_names_and_curves_differ_in_more_than_colour():
    for mode in (0, 1):
        assert len({pair[mode] for pair in COLOURS.values()}) == len(COLOURS)
    assert len(SERIES) == len(DASHES) == len(set(DASHES))
