"""Which ranking metric predicts the result of a search: correlations over estimators."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from archsieve.randomness import generator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

MEASURES = ("tau", "weighted tau", "1 - MKR", "nDCG", "-regret")
"""Figures of a ranking that a study compares; higher is better for all. Others are held against the first."""
POOLED = "all truths"
"""What a claim over several truths calls them."""
FEWEST_FOR_A_VERDICT = 8
"""Least number of estimators for a verdict: with fewer, a correlation and its bootstrap mean nothing."""
_DRAWS = 2000  # of the bootstrap
_ROUNDING = 1e-12  # of a correlation

Interval: TypeAlias = tuple[float, float, float]
"""Low end, value and high end."""


@dataclass(frozen=True)
class Finding:
    """How an estimator ranks against a truth, and the results of searches that maximise its scores.

    `found` holds, by searcher, the true value of the result of each seed, in the truth's unit. `tau` is None where all
    scores are equal; such a finding takes no part in claims and figures. `ndcg` is that of the top hundredth, `regret`
    that of the top ten, in the truth's unit. The last three are None in studies of versions that had only tau and MKR.
    """

    estimator: str
    truth: str
    tau: float | None
    mkr: float
    found: dict[str, tuple[float, ...]]
    weighted_tau: float | None = None
    ndcg: float | None = None
    regret: float | None = None

    @property
    def measures(self) -> tuple[float, ...]:
        """The values of `MEASURES`; NaN for unknown ones."""
        lost = None if self.regret is None else 0.0 - self.regret  # without the sign of -0
        values = (self.tau, self.weighted_tau, 1 - self.mkr, self.ndcg, lost)
        return tuple(float("nan") if value is None else value for value in values)


@dataclass(frozen=True)
class Claim:
    """Correlations, over the estimators, of search results with each measure, with 95 % intervals.

    `kendall_gains` and `pearson_gains` are, for each measure but tau, its correlation less tau's: an interval above 0
    supports that the measure tells more of what this searcher finds than tau does. None where a side is constant. Of
    the truth `POOLED`, a correlation is the mean of those of the single truths.
    """

    truth: str
    searcher: str
    kendall: dict[str, Interval | None]
    pearson: dict[str, Interval | None]
    kendall_gains: dict[str, Interval | None] = field(default_factory=dict)
    pearson_gains: dict[str, Interval | None] = field(default_factory=dict)


def verdict(gain: Interval | None, estimators: int) -> str:
    """Return whether the interval of a gain supports the claim; with too few estimators there is no verdict.

    >>> [verdict(gain, 13) for gain in ((0.1, 0.2, 0.3), (-0.3, -0.2, -0.1), (-0.1, 0.2, 0.3), None)]
    ['yes', 'reversed', 'no', 'no']
    >>> verdict((0.1, 0.2, 0.3), 3)
    'no verdict'
    """
    if estimators < FEWEST_FOR_A_VERDICT:
        return "no verdict"
    if gain is None or gain[0] <= 0 <= gain[2]:
        return "no"
    return "yes" if gain[0] > 0 else "reversed"


def comparable(findings: Iterable[Finding], truth: str) -> list[Finding]:
    """Return the findings of this truth that have a tau; for `POOLED`, of estimators with a tau for every truth.

    Of estimators that rank all codes alike, only the first takes part: the others are no further evidence.
    """
    findings = list(findings)
    copied = copies(findings)
    findings = [f for f in findings if f.estimator not in copied]
    if truth != POOLED:
        return [f for f in findings if f.truth == truth and f.tau is not None]
    flat = {f.estimator for f in findings if f.tau is None}
    return [f for f in findings if f.estimator not in flat]


def copies(findings: Iterable[Finding]) -> dict[str, str]:
    """Return the estimators whose figures equal those of an earlier one for every truth, with that one.

    Estimators without a tau are left out.
    """
    figures: dict[str, tuple[object, ...]] = {}
    for f in findings:
        figures[f.estimator] = (*figures.get(f.estimator, ()), f.truth, f.tau, f.mkr, f.weighted_tau, f.ndcg, f.regret)
    first: dict[tuple[object, ...], str] = {}
    return {
        name: one for name, row in figures.items() if None not in row and (one := first.setdefault(row, name)) != name
    }


def count_estimators(findings: Iterable[Finding], truth: str) -> int:
    """Return the number of estimators behind a claim about this truth."""
    return len({f.estimator for f in comparable(findings, truth)})


def claims_of(findings: Sequence[Finding], seed: int) -> tuple[Claim, ...]:
    """Return the claims for each truth and searcher; with several truths, the pooled claims come last."""
    truths = list(dict.fromkeys(f.truth for f in findings))
    labels = [*truths, *([POOLED] if len(truths) > 1 else [])]
    return tuple(_claim(findings, label, searcher, seed) for label in labels for searcher in findings[0].found)


def _claim(findings: Sequence[Finding], truth: str, searcher: str, seed: int) -> Claim:
    """Return the correlations over estimators; the bootstrap resamples estimators, and seeds within each.

    Of several truths, one draw has the same estimators and seeds for each: findings of one estimator are no
    independent evidence.
    """
    chosen = comparable(findings, truth)
    if len({f.estimator for f in chosen}) < 3:
        none: dict[str, Interval | None] = dict.fromkeys(MEASURES)
        no_gain: dict[str, Interval | None] = dict.fromkeys(MEASURES[1:])
        return Claim(truth, searcher, {**none}, {**none}, {**no_gain}, {**no_gain})
    of_truths = [[f for f in chosen if f.truth == name] for name in dict.fromkeys(f.truth for f in chosen)]
    measures = np.array([[f.measures for f in group] for group in of_truths])  # (truths, n, measures)
    reached = np.array([[f.found[searcher] for f in group] for group in of_truths])  # (truths, n, seeds)
    rng = generator(seed, "sample", "claim", truth, searcher)
    samples = np.stack([_correlations(*_drawn(measures, reached, rng)) for _ in range(_DRAWS)])
    whole = _correlations(measures, _means(reached))
    with_each = [_by_measure(whole[i], samples[:, i], 0) for i in range(2)]
    gains = [_by_measure(whole[i] - whole[i, 0], samples[:, i] - samples[:, i, :1], 1) for i in range(2)]
    return Claim(truth, searcher, with_each[0], with_each[1], gains[0], gains[1])


def _drawn(
    measures: NDArray[np.float64], reached: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    _, n, seeds = reached.shape
    chosen = np.broadcast_to(rng.integers(0, seeds, (n, seeds)), reached.shape)
    means = _means(np.take_along_axis(reached, chosen, axis=2))
    rows = rng.integers(0, n, (n,))  # an estimator drawn twice is a tie on both sides
    return measures[:, rows], means[:, rows]


def _means(reached: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means over seeds, (truths, n); equal results in another order of seeds have the same mean."""
    return np.asarray(np.sort(reached, axis=2).mean(axis=2))


def _correlations(measures: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Kendall's tau-b and Pearson's correlation of search results with each measure, shape (2, measures).

    `measures` has shape (truths, n, measures), `found` (truths, n). The mean over the truths; NaN where one has none.
    """
    with np.errstate(invalid="ignore", divide="ignore"):  # a constant side: 0 / 0
        x = np.sign(measures[:, :, None] - measures[:, None, :])
        y = np.sign(found[:, :, None] - found[:, None, :])[..., None]
        pairs = np.sqrt(np.abs(x).sum(axis=(1, 2)) * np.abs(y).sum(axis=(1, 2)))
        kendall = (x * y).sum(axis=(1, 2)) / pairs
        u, v = measures - measures.mean(axis=1, keepdims=True), (found - found.mean(axis=1, keepdims=True))[..., None]
        pearson = (u * v).sum(axis=1) / np.sqrt((u**2).sum(axis=1) * (v**2).sum(axis=1))
    pearson = np.where(np.isnan(kendall), np.nan, pearson)  # a deviation of rounding is none
    return np.stack([kendall.mean(axis=0), pearson.mean(axis=0)])


def _by_measure(values: NDArray[np.float64], samples: NDArray[np.float64], first: int) -> dict[str, Interval | None]:
    return {name: _with_interval(values[i], samples[:, i]) for i, name in enumerate(MEASURES) if i >= first}


def _with_interval(value: float, samples: NDArray[np.float64]) -> Interval | None:
    """Return (low, value, high); None if the value is undefined. Resamples without a correlation are dropped."""
    if np.isnan(value):
        return None
    low, high = (float(np.nanquantile(samples, q)) for q in (0.025, 0.975))
    return _without_rounding(low), _without_rounding(float(value)), _without_rounding(high)


def _without_rounding(correlation: float) -> float:
    """Return 0 for what only rounding keeps from 0: a verdict asks whether an interval holds 0."""
    return 0.0 if abs(correlation) < _ROUNDING else correlation


def conclusions(findings: Sequence[Finding], claims: Sequence[Claim]) -> list[str]:
    """Return one sentence per searcher: the measure that predicts its results best, and gains over tau.

    Over all truths together where there are several. Then one sentence for each estimator that counts no further.
    """
    pooled = [claim for claim in claims if claim.truth == POOLED]
    alike = [
        f"{name} ranks all codes like {one}: both count as one estimator." for name, one in copies(findings).items()
    ]
    return [*(_conclusion(claim, count_estimators(findings, claim.truth)) for claim in pooled or claims), *alike]


def _conclusion(claim: Claim, estimators: int) -> str:
    who = f"{claim.searcher.capitalize()}, {claim.truth}"
    known = {measure: interval for measure, interval in claim.kendall.items() if interval is not None}
    if not known:
        return f"{who}: no measure has a correlation with what is found."
    top = max(interval[1] for interval in known.values())
    best = [measure for measure, interval in known.items() if interval[1] >= top - _ROUNDING]
    ahead = f"{best[0]} predicts" if len(best) == 1 else f"{', '.join(best[:-1])} and {best[-1]} predict"
    most = f"{who}: {ahead} best (Kendall {in_brackets(known[best[0]])})"
    if estimators < FEWEST_FOR_A_VERDICT:
        return f"{most}; no verdict, with {estimators} estimators."
    judged = {measure: verdict(gain, estimators) for measure, gain in claim.kendall_gains.items()}
    more = [f"{m} ({in_brackets(claim.kendall_gains[m], '+')})" for m, answer in judged.items() if answer == "yes"]
    less = [f"{m} ({in_brackets(claim.kendall_gains[m], '+')})" for m, answer in judged.items() if answer == "reversed"]
    parts = [f"better than tau: {', '.join(more)}"] if more else ["no measure is supported as better than tau"]
    parts += [f"worse than tau: {', '.join(less)}"] if less else []
    return f"{most}; {'; '.join(parts)}."


def in_brackets(interval: Interval | None, sign: str = "-") -> str:
    """Return the value with its interval as text; `sign` "+" also writes the sign of positive values.

    >>> in_brackets((0.1, 0.2, 0.3)), in_brackets((0.1, 0.2, 0.3), "+"), in_brackets(None)
    ('0.20 [0.10, 0.30]', '+0.20 [+0.10, +0.30]', '-')
    """
    if interval is None:
        return "-"
    low, value, high = (f"{part:{sign}.2f}" for part in interval)
    return f"{value} [{low}, {high}]"
