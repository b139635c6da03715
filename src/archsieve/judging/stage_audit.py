"""The audit of each stage: how well its estimator ranks all candidates, and whether its cut was useful."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.estimators.contract import Composite, Fittable, scores_metric
from archsieve.estimators.lookup import Lookup, Replay
from archsieve.judging.agreement import SAME, rank_agreement
from archsieve.judging.cuts import (
    chance_to_win,
    interval,
    interval_of_share,
    weighted_keeping_ratio,
    weighted_tau,
)
from archsieve.randomness import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.judging.audit_sample import Sample, Stratum

ALPHA = 0.05
"""Probability that a search is told that one of its stages is useless, if all of them are useful."""
USEFUL = 0.65
"""A stage is useful if a network that it passes on is so probably better than one that it cut; by chance it is .5."""
_LEAST = 5  # networks on either side of that comparison


@dataclass(frozen=True)
class StageAudit:
    """The audit findings of one stage.

    Attributes:
        label: of the stage; "outside of the pool" for networks that an evolution never visited.
        estimator: its name.
        cut: networks that it cut, or that its search did not ask for.
        audited: of these.
        as_good: of the audited, those at least as good as the winner.
        share: interval of the share of its cut networks that are, Clopper and Pearson, 95 %.
        tau: Kendall's tau-b of its estimator over all candidates, by the recipe's scores; None: not known.
        tau_interval: 95 %, by bootstrap.
        mkr: its minimum keeping ratio, with the best network that was scored by the recipe in the place of the best.
        mkr_interval: likewise.
        judged_by: label of the later stage, or name of the recipe, by which its cut is judged; empty: by none.
        win: how probably a network that it passed on is better by that than one that it cut.
        win_at_most: the upper confidence bound of `win`, corrected for the number of stages.
        accusation: says that it is no better than chance, or than parameters, and what to do; else empty.
    """

    label: str
    estimator: str
    cut: int
    audited: int
    as_good: int
    share: tuple[float, float]
    tau: float | None = None
    tau_interval: tuple[float, float] | None = None
    mkr: float | None = None
    mkr_interval: tuple[float, float] | None = None
    judged_by: str = ""
    win: float | None = None
    win_at_most: float | None = None
    accusation: str = ""


def stages_of(sample: Sample) -> tuple[StageAudit, ...]:
    """Return the findings of each stage, with significance corrected for the number of stages."""
    tested = [s for s in sample.strata if _comparison(sample, s) is not None]
    level = 1 - ALPHA / max(1, len(tested))
    return tuple(_stage(sample, i, stratum, level) for i, stratum in enumerate(sample.strata))


def _stage(sample: Sample, i: int, stratum: Stratum, level: float) -> StageAudit:
    drawn, hits = sample.counts[i], sample.hits()[i]
    name = sample.plan.stages[stratum.place].estimator.name if stratum.place >= 0 else "evolution"
    report = StageAudit(stratum.label, name, stratum.count, drawn, hits, _share(hits, drawn, stratum.count))
    if stratum.place < 0:
        return report
    report = replace(report, **_figures(sample, stratum.place))
    if comparison := _comparison(sample, stratum):
        from scipy.stats import t

        judge, kept, cut = comparison
        win, error = chance_to_win(kept, cut)
        most = min(1.0, win + float(t.ppf(level, len(cut) - 1)) * error)
        report = replace(report, judged_by=judge, win=win, win_at_most=most)
    return replace(report, accusation=_accusation(sample, report, stratum.place))


def _share(hits: int, drawn: int, count: int) -> tuple[float, float]:
    """Return the interval of the share of hits among `count` networks from a sample of them."""
    return (hits / count,) * 2 if drawn == count else interval_of_share(hits, drawn)


def _figures(sample: Sample, place: int) -> dict[str, Any]:
    """Return tau and minimum keeping ratio of a stage's estimator over all candidates, with intervals."""
    scores = sample.columns[place]
    known = np.isfinite(sample.values)
    if scores is None or known.sum() < 3:
        return {}
    weights, strata = sample.weights()
    rng = generator(sample.session.seed, "sample", "bootstrap", "audit", place)
    parts = scores[known], sample.values[known], weights[known]
    tau = weighted_tau(*parts)
    return {
        "tau": tau if np.isfinite(tau) else None,
        "tau_interval": interval(weighted_tau, *parts, strata[known], rng),
        "mkr": weighted_keeping_ratio(*parts),
        "mkr_interval": interval(weighted_keeping_ratio, *parts, strata[known], rng),
    }


def _comparison(sample: Sample, stratum: Stratum) -> tuple[str, NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the criterion that judges a stage's cut, the scores it passed on, and the scores it removed.

    By the first later stage that trains, on what that saw: where stages between cut too, this speaks for the stage. By
    the recipe where no later stage trains. None where there are too few.
    """
    index = list(sample.strata).index(stratum)
    cut = np.flatnonzero(sample.members == index)
    if stratum.place < 0:
        return None
    for place in range(stratum.place + 1, len(sample.rounds)):
        scores = sample.columns[place]
        if scores is not None and trains(sample.plan.stages[place].estimator):
            kept = sample.rounds[place].scores
            return _if_enough(sample.rounds[place].label, kept[np.isfinite(kept)], scores[cut])
    passed = [i for i, s in enumerate(sample.strata) if s.place > stratum.place]
    kept = np.append(sample.values[:-1][np.isin(sample.members, passed)], sample.values[-1])
    return _if_enough(sample.recipe.name, kept[np.isfinite(kept)], sample.values[cut])


def _if_enough(
    judge: str, kept: NDArray[np.float64], cut: NDArray[np.float64]
) -> tuple[str, NDArray[np.float64], NDArray[np.float64]] | None:
    return (judge, kept, cut) if min(len(kept), len(cut)) >= _LEAST else None


def trains(estimator: AnyEstimator) -> bool:
    """Whether an estimator trains each network individually, or looks up such trainings."""
    if isinstance(estimator, Composite | Fittable):
        return False
    return scores_metric(estimator) or isinstance(estimator, Lookup | Replay)


def _accusation(sample: Sample, report: StageAudit, place: int) -> str:
    """Return the sentence that reports a useless stage; empty for a useful one."""
    drop = "leave the stage out, or put another estimator in its place"
    if report.win_at_most is not None and report.win_at_most < USEFUL:
        return (
            f"The stage {report.label!r} is no better than chance: a network that it passed on beats one that it cut "
            f"with a probability of {report.win:.2f}, at most {report.win_at_most:.2f}, by {report.judged_by!r}. "
            f"To do: {drop}."
        )
    latest, params = sample.rounds[place], getattr(sample.session.space, "params", None)
    if params is None or report.estimator == "params":
        return ""
    agreement = rank_agreement(
        latest.scores, np.array([params(tuple(a), sample.session.task) for a in latest.archs.tolist()], dtype=float)
    )
    if abs(agreement) < SAME:
        return ""
    return (
        f"The stage {report.label!r} adds nothing to parameters: its ranking and theirs correlate by {agreement:.2f}. "
        f"To do: rank by `params`, which costs nothing, or {drop}."
    )
