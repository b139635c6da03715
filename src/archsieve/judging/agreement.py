"""Rank agreement of a stage with a later, more expensive stage, known after every search without an audit.

It speaks only of networks that the stage itself passed on. An estimator that tells bad networks from good ones may rank
the good ones no better than chance; whether its cut was right, only an audit tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archsieve.judging.metrics import kendall_tau

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ALPHA = 0.05
"""Probability that a stage of a search is named, if all of them rank what later ones saw with a tau of `GUIDE`."""
GUIDE = 0.2
LEAST = 10
"""Networks that the later stage must have seen."""
_WHOLE = 0.9
SAME = 0.95
"""Rank correlation from which an estimator says what parameters say."""


@dataclass(frozen=True, eq=False)
class Seen:
    """The candidates of one stage: its label, codes (n, d), scores (n,), and parameter counts where known."""

    label: str
    archs: NDArray[np.integer]
    scores: NDArray[np.float64]
    params: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Agreement:
    """The rank agreement of a stage with the last later stage that scored enough networks.

    Attributes:
        stage: its label.
        judged_by: label of the later stage; empty where none saw enough.
        count: networks that both scored.
        tau: Kendall's tau-b of both; None where a side is constant.
        at_most: upper confidence bound of tau, corrected for the number of stages.
        params: rank correlation of its scores with parameters, over all that it saw; None: unknown.
        is_blind: whether `at_most` is below `GUIDE`: among networks that it passed on itself, unless `is_telling`.
        is_telling: whether the later stage scored nine tenths of what it saw, or more, so that its cut hides nothing.
        is_params: whether it ranks as parameters do.
    """

    stage: str
    judged_by: str
    count: int
    tau: float | None
    at_most: float | None
    params: float | None
    is_blind: bool
    is_params: bool
    is_telling: bool = False


def agreements(stages: Sequence[Seen]) -> tuple[Agreement, ...]:
    """Return the agreement of every stage but the last with a later one."""
    from scipy.stats import norm

    pairs = [(stage, _judge(stages[place + 1 :])) for place, stage in enumerate(stages[:-1])]
    tested = sum(judge is not None for _, judge in pairs)
    quantile = float(norm.ppf(1 - ALPHA / max(1, tested)))
    return tuple(_agreement(stage, judge, quantile) for stage, judge in pairs)


def _judge(later: Sequence[Seen]) -> Seen | None:
    """Return the last stage that scored enough networks; None if there is none."""
    enough = [stage for stage in later if np.isfinite(stage.scores).sum() >= LEAST]
    return enough[-1] if enough else None


def _agreement(stage: Seen, judge: Seen | None, quantile: float) -> Agreement:
    params = None if stage.params is None else rank_agreement(stage.scores, stage.params)
    is_params = params is not None and abs(params) >= SAME
    if judge is None:
        return Agreement(stage.label, "", 0, None, None, params, False, is_params)
    known = dict(zip(map(tuple, stage.archs.tolist()), stage.scores.tolist(), strict=True))
    own = np.array([known.get(tuple(code), np.nan) for code in judge.archs.tolist()])
    both = np.isfinite(own) & np.isfinite(judge.scores)
    n = int(both.sum())
    tau = kendall_tau(own[both], judge.scores[both]) if n >= LEAST else np.nan
    if np.isnan(tau):
        return Agreement(stage.label, judge.label, n, None, None, params, False, is_params)
    error = np.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)))  # of independent rankings (Kendall 1938)
    most = float(min(1.0, tau + quantile * error))
    is_telling = n >= _WHOLE * len(stage.scores)
    return Agreement(stage.label, judge.label, n, float(tau), most, params, most < GUIDE, is_params, is_telling)


def rank_agreement(scores: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return Spearman's correlation of two columns; 0 if one is constant or has fewer than ten values."""
    from scipy.stats import spearmanr

    known = np.isfinite(scores) & np.isfinite(others)
    if known.sum() < LEAST or np.ptp(scores[known]) == 0 or np.ptp(others[known]) == 0:
        return 0.0
    return float(spearmanr(scores[known], others[known]).statistic)


def sentences(found: Sequence[Agreement], run: str = "RUN") -> list[str]:
    """Return warnings on stages that rank their survivors badly, or no better than the parameter count.

    `run` is the folder that a command in them names.
    """
    lines = []
    for a in found:
        if a.is_params:
            lines.append(
                f"The stage {a.stage!r} adds nothing to parameters: its ranking and theirs correlate by "
                f"{a.params:.2f}. To do: rank by `params`, which costs nothing, or choose another estimator."
            )
        elif a.is_blind:
            hint = (
                f"To do: leave {a.stage!r} out, or put another estimator in its place."
                if a.is_telling
                else f"That is usual after a strong cut, and says nothing of what it cut: `archsieve audit {run}` does."
            )
            lines.append(
                f"Among the {a.count} networks that {a.judged_by!r} saw too, {a.stage!r} ranks no better than chance: "
                f"tau {a.tau:.2f}, at most {a.at_most:.2f}. {hint}"
            )
    return lines
