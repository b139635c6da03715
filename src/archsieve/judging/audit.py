"""The audit of a finished search: a random sample of the removed networks is scored as the winner was."""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.errors import RunFolderError, SettingError
from archsieve.estimators.contract import Composite, Fittable, Priced, is_relative, leaves_of, scores_metric
from archsieve.estimators.told import Told
from archsieve.judging.audit_sample import Sample, is_scored_by, strata_of
from archsieve.judging.cuts import allocate, greatest_count, likely_share
from archsieve.judging.stage_audit import StageAudit, stages_of
from archsieve.plans.contract import estimators_of
from archsieve.plans.worth import expected_draws
from archsieve.runs.folder import RESULT_FILE, read_json, read_outcome, rounds_of, write_json
from archsieve.runs.results import Worth
from archsieve.spaces.text import as_digits
from archsieve.tasks.contract import Measure, measure_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.plans.contract import Plan
    from archsieve.runs.session import Session
    from archsieve.searchers.contract import Round
    from archsieve.spaces.contract import Architecture

AUDIT_FILE = "audit.json"
MORE = 30
"""Further networks whose bound a report tells."""


@dataclass(frozen=True)
class Better:
    """An audited network at least as good as the winner: its digits, its score, and the stage that removed it."""

    architecture: str
    score: float
    lost_by: str


@dataclass(frozen=True)
class Audit:
    """The contents of `audit.json`.

    Attributes:
        code: of the winner.
        recipe: name of the estimator by which networks are compared.
        winner_score: of the winner, by other trainings than the one that the search saw where that is possible; the
            mean of several. Bounds are reckoned by the lowest of them.
        winner_trainings: how many those were; 0: it cannot be trained again.
        audited: networks, all stages together; scores that the search itself paid for are not among them.
        as_good: of all compared, those at least as good as the winner, the winner apart.
        better: these networks.
        likely: the probability that a network drawn at random from those cut is as good: of each stage the mean of
            Jeffreys' posterior, (hits + 1/2) / (draws + 1), or its share where all its networks are known.
        share: bounds of it: what the hits themselves make sure of, and the upper bound with 95 % confidence.
        worth: the lower bound that follows.
        stages: what is said of each stage.
        metric: name of the metric of which the compared scores are values; empty: they are other scores.
        higher_is_better: direction of that metric. Scores here have the direction of scores: an error is negative.
    """

    code: tuple[int, ...]
    recipe: str
    winner_score: float
    winner_trainings: int
    audited: int
    as_good: int
    better: tuple[Better, ...]
    likely: float
    share: tuple[float, float]
    worth: Worth
    stages: tuple[StageAudit, ...]
    metric: str = ""
    higher_is_better: bool = True


def audit(plan: Plan, session: Session, networks: int) -> Audit:
    """Score a random sample of the networks that a finished search removed; return the findings and write `audit.json`.

    Asked for more networks later, it goes on: the earlier ones are among the later ones, and scores are stored.

    Args:
        plan: of the run.
        session: open in its folder.
        networks: how many to draw; fewer where fewer were cut.

    Raises:
        RunFolderError: the folder holds no finished run.
        SettingError: the search found none, cut none, its scores are told by hand, or it has a measured limit and no
            pool.
    """
    if plan.ceiling is not None and (plan.is_open or plan.pool.evolve is not None):
        raise SettingError(
            "An audit would draw networks above `max_latency_ms`: only a search with a pool within "
            "that limit can be audited."
        )
    if getattr(plan.stages[-1].estimator, "objectives", ()):
        raise SettingError(
            "An audit compares networks by one estimator, but this search has several objectives: "
            "see its front in the report."
        )
    result, rounds, pool = _finished(plan, session)
    winner = tuple(map(int, result["code"]))
    recipe = recipe_of(plan)
    strata = strata_of(plan, session, rounds, pool, winner)
    if not strata:
        raise SettingError("The search removed no network, so there is nothing to audit.")
    free = [is_scored_by(recipe, plan, stratum, rounds) for stratum in strata]
    sizes = [0 if is_free else s.count for s, is_free in zip(strata, free, strict=True)]
    counts = [s.count if is_free else n for s, is_free, n in zip(strata, free, allocate(sizes, networks), strict=True)]
    drawn = [stratum.archs[:n] for stratum, n in zip(strata, counts, strict=True)]
    fresh = again(recipe, plan, trainings_of_winner(networks))
    archs = [arch for members in drawn for arch in members]
    columns = _columns(plan, session, rounds, [*archs, winner])
    values = session.scores([recipe], [*archs, winner])[:, 0]
    lowest = np.nan
    if fresh:
        trained_again = session.scores(fresh, [winner])
        values[-1], lowest = trained_again.mean(), float(trained_again.min())
    for training in fresh:
        session.forget(training, [winner])
    session.forget(recipe, archs)
    sample = Sample(plan, session, rounds, strata, counts, archs, values, columns, recipe, lowest)
    found = _summary(sample, winner, free, result, trainings=len(fresh))
    write_json(session.folder / AUDIT_FILE, asdict(found))
    if result.get("worth") is None or result["worth"]["source"] == "audit":
        write_json(session.folder / RESULT_FILE, {**result, "worth": asdict(found.worth)})
    return found


def read_audit(folder: Path, code: Sequence[int] | None) -> dict[str, Any] | None:
    """Return the contents of `audit.json`; None if it does not exist or belongs to a winner other than this code.

    Raises:
        RunFolderError: it is damaged, or of another version.
    """
    path = folder / AUDIT_FILE
    if code is None or not path.is_file():
        return None
    content = read_json(path)
    later = {f.name: f.default for f in fields(Audit) if f.default is not MISSING}
    if not isinstance(content, dict) or not {f.name for f in fields(Audit)} <= {*content, *later}:
        raise RunFolderError(f"The file {path} is not an audit by this version: run `archsieve audit` again.")
    return {**later, **content} if content["code"] == list(code) else None


def recipe_of(plan: Plan) -> AnyEstimator:
    """Return the estimator that an audit compares networks by.

    The final training; without one the estimator of the last stage, of a composite its dearest part.
    """
    if plan.final is not None:
        return plan.final
    last = plan.stages[-1].estimator
    leaves: list[Any] = leaves_of(last)
    if not isinstance(last, Composite):
        return last
    dearest: AnyEstimator = max(
        leaves, key=lambda e: sum(e.price(1, plan.space, plan.task) or ()) if isinstance(e, Priced) else 0.0
    )
    return dearest


def trainings_of_winner(networks: int) -> int:
    """Return how often the winner is retrained: once, and once more for every 20 audited networks.

    The luck of one training would be in every comparison, and more networks do not average it out.
    """
    return 1 + networks // 20


def again(recipe: AnyEstimator, plan: Plan, times: int) -> list[AnyEstimator]:
    """Return copies of the recipe with seeds that the plan did not use; empty if it cannot be repeated."""
    if not is_dataclass(recipe) or "repeat" not in {f.name for f in fields(recipe)}:
        return []
    repeats = [getattr(leaf, "repeat", 0) for e in estimators_of(plan) for leaf in leaves_of(e)]
    changed: Any = recipe
    return [replace(changed, repeat=max(repeats) + i) for i in range(1, times + 1)]


def _finished(plan: Plan, session: Session) -> tuple[dict[str, Any], list[Round], list[Architecture]]:
    """Return the result, rounds and pool of a finished search."""
    result = read_outcome(session.folder)
    if result["code"] is None:
        raise SettingError("The search found no network, so the removed networks cannot be compared with it.")
    if any(isinstance(leaf, Told) for e in estimators_of(plan) for leaf in leaves_of(e)):
        raise SettingError(
            "The scores of this search are entered by hand (`archsieve tell`), so an audit cannot compute more of them."
        )
    rounds, columns = rounds_of(session.folder, result)
    return result, rounds, [tuple(code) for code in columns["archs"].tolist()]


def _columns(
    plan: Plan, session: Session, rounds: Sequence[Round], archs: list[Architecture]
) -> list[NDArray[np.float64] | None]:
    """Return the scores of networks by each stage's estimator; None for scores relative to the candidates."""
    columns: list[NDArray[np.float64] | None] = []
    for stage, latest in zip(plan.stages, rounds, strict=False):
        e = stage.estimator
        if any(isinstance(leaf, Fittable) and leaf.learns_from_pool for leaf in leaves_of(e)):
            columns.append(None)
            continue
        own = [tuple(code) for code in latest.archs.tolist()] if is_relative(e) else []
        others = [arch for arch in own if arch not in set(archs)]
        columns.append(session.scores([e], [*archs, *others])[: len(archs), 0])
    return columns


def _summary(
    sample: Sample, winner: Architecture, free: Sequence[bool], result: dict[str, Any], *, trainings: int
) -> Audit:
    if np.isnan(sample.values[-1]):
        raise SettingError("The winner could not be scored again, so there is nothing to compare with.")
    sizes = [s.count for s in sample.strata]
    hits, count = sample.hits(), sum(sizes) + 1
    at_most = sample.hits_at_most()
    most = greatest_count(sizes, sample.counts, at_most)
    audited = sum(n for n, is_free in zip(sample.counts, free, strict=True) if not is_free)
    later = [0 if is_free else n for n, is_free in zip(sizes, free, strict=True)]
    more = [s if f else n for s, f, n in zip(sizes, free, allocate(later, audited + MORE), strict=True)]
    next_low = expected_draws(count, 1 + greatest_count(sizes, more, at_most))
    paid = (result.get("worth") or {}).get("paid")
    worth = Worth("audit", count, sum(at_most), audited, None, expected_draws(count, 1 + most), None, paid, next_low)
    choices = sample.session.space.choices
    measure = measure_of(sample.session.task) if scores_metric(sample.recipe) else Measure("")
    better = tuple(
        Better(as_digits(arch, choices), float(value), sample.strata[place].label)
        for arch, value, place, hit in zip(sample.archs, sample.values[:-1], sample.members, sample.is_hit, strict=True)
        if hit
    )
    return Audit(
        winner,
        sample.recipe.name,
        float(sample.values[-1]),
        trainings,
        audited,
        sum(hits),
        better,
        likely_share(sizes, sample.counts, hits),
        (sum(hits) / (count - 1), most / (count - 1)),
        worth,
        stages_of(sample),
        measure.name,
        measure.higher_is_better,
    )
