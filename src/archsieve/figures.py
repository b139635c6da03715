"""Figures as files, PNG and SVG, by matplotlib; colours that the colour-blind can tell apart (Okabe and Ito)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsieve.errors import require
from archsieve.study import MEASURES, comparable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.study import Finding, Study

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#555555"


def study_figures(study: Study, folder: Path) -> list[Path]:
    """Draw what searches find against tau and against 1 - MKR, a figure for each truth and searcher.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    require("matplotlib", "report")
    from matplotlib.figure import Figure

    paths = []
    for claim in study.claims:
        findings = comparable(study.findings, claim.truth)
        if not findings:
            continue
        figure = Figure(figsize=(11, 4.8), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        for i, (axis, measure) in enumerate(zip(axes, MEASURES, strict=True)):
            _panel(axis, findings, claim.searcher, i, (BLUE, ORANGE)[i])
            axis.set_xlabel({"tau": "Kendall's tau", "1 - MKR": "1 - minimum keeping ratio"}[measure])
            axis.set_title(_title(claim.kendall[measure], claim.pearson[measure]), fontsize=10)
        axes[0].set_ylabel(f"{claim.truth} found by {claim.searcher}")
        for kind in ("png", "svg"):
            path = folder / f"{claim.truth}-{claim.searcher.replace(' ', '-')}.{kind}"
            figure.savefig(path, dpi=150)
            paths.append(path)
    return paths


def _panel(axis, findings: Sequence[Finding], searcher: str, i: int, colour: str) -> None:  # type: ignore[no-untyped-def]
    """Draw points with the spread over seeds, their names, and the line of least squares with its band."""
    x = np.array([f.measures[i] for f in findings])
    found = np.array([f.found[searcher] for f in findings])
    y = found.mean(axis=1)
    axis.errorbar(x, y, yerr=found.std(axis=1), fmt="o", color=colour, ecolor=GREY, elinewidth=0.8, capsize=2)
    for names, at_x, at_y in _labels([f.estimator for f in findings], x, y):
        right = at_x > x.min() + 0.75 * np.ptp(x)
        place = {"xytext": (-6 if right else 6, 5), "ha": "right" if right else "left"}
        axis.annotate(names, (at_x, at_y), textcoords="offset points", fontsize=8, **place)
    if np.ptp(x) > 0:
        grid = np.linspace(x.min(), x.max(), 50)
        line, margin = _line(x, y, grid)
        axis.plot(grid, line, color=colour, linewidth=1.2)
        axis.fill_between(grid, line - margin, line + margin, color=colour, alpha=0.15, linewidth=0)
    axis.grid(alpha=0.3)


def _labels(names: Sequence[str], x: NDArray[np.float64], y: NDArray[np.float64]) -> Iterator[tuple[str, float, float]]:
    """Yield labels with their places; points that lie almost upon each other share one."""
    left = list(np.lexsort((x, y)))
    while left:
        first = left[0]
        near = [i for i in left if _near(x, i, first, 0.15) and _near(y, i, first, 0.03)]
        yield ", ".join(names[i] for i in near), float(x[near].min()), float(y[near].max())
        left = [i for i in left if i not in near]


def _near(values: NDArray[np.float64], i: int, j: int, share: float) -> bool:
    return bool(abs(values[i] - values[j]) <= share * np.ptp(values))


def _line(
    x: NDArray[np.float64], y: NDArray[np.float64], grid: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the line of least squares on the grid, and half the width of its 95 % band."""
    from scipy.stats import t

    slope, offset = np.polyfit(x, y, 1)
    freedom = len(x) - 2
    error = np.sqrt(((y - slope * x - offset) ** 2).sum() / freedom)
    spread = np.sqrt(1 / len(x) + (grid - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    return slope * grid + offset, t.ppf(0.975, freedom) * error * spread


def _title(kendall: tuple[float, float, float] | None, pearson: tuple[float, float, float] | None) -> str:
    told = []
    for name, found in (("Kendall", kendall), ("Pearson", pearson)):
        told.append(f"{name} none" if found is None else f"{name} {found[1]:.2f} [{found[0]:.2f}, {found[2]:.2f}]")
    return ", ".join(told)
