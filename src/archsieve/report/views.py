"""The numbers behind a run's tables and figures, for the page, files and the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from archsieve.judging.agreement import Agreement, Seen, agreements
from archsieve.judging.metrics import (
    keeping_curve,
    kendall_tau,
    minimum_keeping_ratio,
    ndcg_at_k,
    ndcg_by_chance,
    regret_at_k,
    shares_to_keep,
    spearman,
    top_hundredth,
    weighted_tau,
)
from archsieve.runs.effort import total
from archsieve.spaces.text import encode
from archsieve.tasks.contract import Measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from archsieve.searchers.contract import Round
    from archsieve.spaces.contract import Architecture

    Notation: TypeAlias = Callable[[Architecture], str]

BEST = 10
"""Number of truly best candidates that are followed through a run."""
SIZES = ("params", "macs")


@dataclass(frozen=True, eq=False)
class StageView:
    """One stage of a run: codes (n, d), scores (n,), kept flags (n,); truth (n,) and sizes (n,) where known.

    NaN: no score, no truth. `measure` is what the scores are: of the task's metric, or just scores.
    """

    label: str
    archs: NDArray[np.integer[Any]]
    scores: NDArray[np.float64]
    kept: NDArray[np.bool_]
    truth: NDArray[np.float64]
    sizes: dict[str, NDArray[np.float64]]
    measure: Measure = field(default_factory=Measure)

    @property
    def values(self) -> NDArray[np.float64]:
        """The scores as metric values: errors without a minus sign."""
        return self.scores if self.measure.higher_is_better else 0.0 - self.scores

    @property
    def cut(self) -> float | None:
        """The lowest kept score; None if nothing was removed or that score is not finite."""
        lowest = self.scores[self.kept & ~np.isnan(self.scores)].min(initial=np.inf)
        return None if self.kept.all() or not np.isfinite(lowest) else float(lowest)

    @property
    def places(self) -> NDArray[np.int64]:
        """The rank of each candidate in the stage, 1 is best; ties count against it, missing scores rank last."""
        n = len(self.scores)
        return np.rint(shares_to_keep(self.scores) * n).astype(np.int64)

    def known(self) -> StageView | None:
        """Return the view of the candidates with a truth; None unless two truths differ."""
        has_truth = np.isfinite(self.truth)
        if has_truth.sum() < 2 or np.ptp(self.truth[has_truth]) == 0:
            return None
        sizes = {name: values[has_truth] for name, values in self.sizes.items()}
        arrays = (self.archs[has_truth], self.scores[has_truth], self.kept[has_truth], self.truth[has_truth])
        return StageView(self.label, *arrays, sizes, self.measure)


def stage_views(
    rounds: Sequence[Round], pool: Mapping[str, NDArray[Any]], measures: Sequence[Measure] = ()
) -> tuple[StageView, ...]:
    """Return the run's stages that removed candidates, and the last one, with the known data of each candidate.

    Args:
        rounds: of the run, in order.
        pool: columns of all candidates by name: "archs", and where known "truth", "params", "macs".
        measures: what the scores of each round are; none for just scores.
    """
    index = {tuple(code): i for i, code in enumerate(pool["archs"].tolist())}
    truth = pool.get("truth", np.full(len(index), np.nan))
    views = []
    for stage, measure in zip(rounds, measures or [Measure()] * len(rounds), strict=True):
        if len(stage.kept) == len(stage.archs) and stage is not rounds[-1]:
            continue
        at = [index[tuple(code)] for code in stage.archs.tolist()]
        kept = np.zeros(len(at), dtype=bool)
        kept[stage.kept] = True
        sizes = {name: pool[name][at] for name in SIZES if name in pool}
        views.append(StageView(stage.label, stage.archs, stage.scores, kept, truth[at], sizes, measure))
    return tuple(views)


def agreements_of(views: Sequence[StageView]) -> tuple[Agreement, ...]:
    """Return the rank agreement of each removing stage with a later one."""
    return agreements([Seen(v.label, v.archs, v.scores, v.sizes.get("params")) for v in views])


@dataclass(frozen=True)
class FunnelStep:
    """A stage that removed candidates, or the last, merged with preceding stages that removed none.

    Units as in `archsieve.runs.results.Spending`.
    """

    label: str
    stages: int
    candidates: int
    kept: int
    seconds: float
    network_epochs: float | None
    macs: float | None


def joined(stages: Sequence[Mapping[str, Any]]) -> tuple[FunnelStep, ...]:
    """Return the steps of a run's stages, from its result.

    A stage that cuts nothing is joined with the next, unless the search of that one looks at fewer.
    """
    steps: list[FunnelStep] = []
    group: list[Mapping[str, Any]] = []
    for stage, following in zip_longest(stages, stages[1:]):
        group.append(stage)
        if stage["kept"] < stage["candidates"] or following is None or following["candidates"] < stage["kept"]:
            costs = {unit: total(member[unit] for member in group) for unit in ("seconds", "network_epochs", "macs")}
            steps.append(FunnelStep(stage["label"], len(group), stage["candidates"], stage["kept"], **costs))  # type: ignore[arg-type]
            group = []
    return tuple(steps)


@dataclass(frozen=True)
class Fate:
    """The rank (1 is best, ties count against it) of one true best network in every removing stage.

    A network that the search of a stage did not ask for is one place behind the last.

    `cut_by` is the label of the stage that dropped it; None: no stage did.
    """

    architecture: str
    truth: float
    places: tuple[int, ...]
    cut_by: str | None

    @property
    def cut_in(self) -> int | None:
        """The number, from 1, of the stage that removed it; labels may repeat."""
        return None if self.cut_by is None else len(self.places)


def fates(views: Sequence[StageView], notation: Notation = encode) -> tuple[Fate, ...]:
    """Return the fates of the ten true best candidates, best first; empty without a truth."""
    if not views:
        return ()
    truth = views[0].truth
    places = np.flatnonzero(np.isfinite(truth))
    best = places[np.argsort(-truth[places], kind="stable")][:BEST]
    ranked = [(view, view.places) for view in views]
    return tuple(_fate(views[0].archs[i], float(truth[i]), ranked, notation) for i in best)


def _fate(
    code: NDArray[Any], truth: float, ranked: Sequence[tuple[StageView, NDArray[np.int64]]], notation: Notation
) -> Fate:
    places, cut_by = [], None
    for view, all_places in ranked:
        matches = np.flatnonzero((view.archs == code).all(axis=1))
        places.append(int(all_places[matches[0]]) if len(matches) else len(all_places) + 1)
        if not view.kept[matches].any():
            cut_by = view.label
            break
    return Fate(notation(tuple(code.tolist())), truth, tuple(places), cut_by)


@dataclass(frozen=True)
class Ranking:
    """The ranking quality of an estimator, a size or chance over a stage's candidates with a truth.

    Attributes:
        number: of the stage among those that cut, from 1.
        stage: its label, which other stages may share.
        by: "estimator", "params", "macs" or "chance"; the latter's figures are expectations.
        count: candidates with a truth.
        tau: Kendall's tau-b, None where all scores are equal.
        spearman: Spearman's rank correlation; likewise.
        mkr: the minimum keeping ratio, in [1/count, 1], lower is better.
        kept: the share that the stage kept, or would have kept by this.
        regret: what the best of those kept lacks to the best candidate, in the truth's unit; None for chance.
        weighted_tau: Vigna's weighted tau, None where all scores are equal.
        ndcg: normalised discounted cumulative gain of the top hundredth, in [0, 1].
    """

    number: int
    stage: str
    by: str
    count: int
    tau: float | None
    spearman: float | None
    mkr: float
    kept: float
    regret: float | None
    weighted_tau: float | None
    ndcg: float


def rankings(views: Sequence[StageView]) -> tuple[Ranking, ...]:
    """Return the ranking quality of each stage's estimator, of sizes and of chance."""
    return tuple(
        row for i, view in enumerate(views, 1) if (known := view.known()) is not None for row in _rankings(i, known)
    )


def _rankings(number: int, view: StageView) -> Iterator[Ranking]:
    n, kept, best = len(view.truth), int(view.kept.sum()), float(view.truth.max())
    for by, scores in {"estimator": view.scores, **view.sizes}.items():
        if by != "estimator":
            regret = regret_at_k(scores, view.truth, kept) if kept else None
        else:
            regret = best - float(view.truth[view.kept].max()) if kept else None
        yield Ranking(
            number,
            view.label,
            by,
            n,
            _finite(kendall_tau(scores, view.truth)),
            _finite(spearman(scores, view.truth)),
            minimum_keeping_ratio(scores, view.truth),
            kept / n,
            regret,
            _finite(weighted_tau(scores, view.truth)),
            ndcg_at_k(scores, view.truth, top_hundredth(n)),
        )
    optima = int((view.truth == best).sum())
    by_chance = ndcg_by_chance(view.truth, top_hundredth(n))
    yield Ranking(
        number, view.label, "chance", n, 0.0, 0.0, (n + 1) / (n * (optima + 1)), kept / n, None, 0.0, by_chance
    )


def regret_curve(scores: NDArray[np.float64], truth: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Return the shares of a ranking at which its best truth improves, and the regret after each."""
    curve = keeping_curve(scores, truth)
    rises = np.flatnonzero(np.diff(curve, prepend=-np.inf))
    return ((rises + 1) / len(curve)).tolist(), (truth.max() - curve[rises]).tolist()


def shown_points(view: StageView, most: int) -> NDArray[np.intp]:
    """Return at most `most` positions to draw: the best by truth, and evenly spread kept and removed ones.

    If there are fewer of one kind, more of the other are drawn.
    """
    if len(view.scores) <= most:
        return np.arange(len(view.scores))
    best = np.argsort(-np.nan_to_num(view.truth, nan=-np.inf), kind="stable")[:BEST]
    chosen = set(best.tolist())
    kept, cut, room = np.flatnonzero(view.kept), np.flatnonzero(~view.kept), most - BEST
    of_kept = min(len(kept), max(room // 2, room - len(cut)))
    for group, share in ((kept, of_kept), (cut, room - of_kept)):
        chosen |= set(group[np.linspace(0, len(group) - 1, share).astype(int)].tolist())
    return np.array(sorted(chosen))


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value
