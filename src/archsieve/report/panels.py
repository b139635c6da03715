"""Panels of a study's figures: search results against each measure, over estimators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archsieve.judging.claims import MEASURES, POOLED, comparable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from archsieve.judging.mkr_study import Study

AXES = {
    "tau": "Kendall's tau",
    "weighted tau": "weighted tau",
    "1 - MKR": "1 - minimum keeping ratio",
    "nDCG": "nDCG of the top per cent",
}


@dataclass(frozen=True, eq=False)
class Panel:
    """One measure (x) of every estimator, with the mean (y) and deviation over seeds of the search results.

    `title` tells both correlations with their intervals; `line` is the line of least squares as (x, y, half the width
    of its 95 % band), None where the measure is constant.
    """

    truth: str
    searcher: str
    measure: str
    title: str
    names: tuple[str, ...]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    deviation: NDArray[np.float64]
    line: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None

    def labels(self) -> Iterator[tuple[str, float, float]]:
        """Yield labels with positions; overlapping points share one label."""
        x, y = self.x, self.y
        rest = list(np.lexsort((x, y)))
        while rest:
            near = [i for i in rest if _near(x, i, rest[0], 0.025) and _near(y, i, rest[0], 0.025)]
            yield ", ".join(self.names[i] for i in near), float(x[near].min()), float(y[near].max())
            rest = [i for i in rest if i not in near]


def panels(study: Study) -> list[list[Panel]]:
    """Return the panels of a study: one for each truth, searcher and measure in `AXES` that all findings have."""
    groups = []
    for claim in study.claims:
        findings = comparable(study.findings, claim.truth)
        if not findings or claim.truth == POOLED:
            continue
        reached = np.array([f.found[claim.searcher] for f in findings])
        mean, deviation = reached.mean(axis=1), reached.std(axis=1)
        group = []
        for measure in AXES:
            x = np.array([f.measures[MEASURES.index(measure)] for f in findings])
            if measure not in claim.kendall or np.isnan(x).any():  # a study of a version that had fewer measures
                continue
            title = _title(claim.kendall[measure], claim.pearson[measure])
            line = _line(x, mean) if len(x) > 2 and np.ptp(x) > 0 else None
            names = tuple(f.estimator for f in findings)
            group.append(Panel(claim.truth, claim.searcher, measure, title, names, x, mean, deviation, line))
        groups.append(group)
    return groups


def _line(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    from scipy.stats import t

    grid = np.linspace(x.min(), x.max(), 50)
    slope, offset = np.polyfit(x, y, 1)
    freedom = len(x) - 2
    error = np.sqrt(((y - slope * x - offset) ** 2).sum() / freedom)
    spread = np.sqrt(1 / len(x) + (grid - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    return grid, slope * grid + offset, t.ppf(0.975, freedom) * error * spread


def _title(kendall: tuple[float, float, float] | None, pearson: tuple[float, float, float] | None) -> str:
    parts = []
    for name, interval in (("Kendall", kendall), ("Pearson", pearson)):
        parts.append(
            f"{name} none" if interval is None else f"{name} {interval[1]:.2f} [{interval[0]:.2f}, {interval[2]:.2f}]"
        )
    return ", ".join(parts)


def _near(values: NDArray[np.float64], i: int, j: int, share: float) -> bool:
    return bool(abs(values[i] - values[j]) <= share * np.ptp(values))
