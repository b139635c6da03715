"""How well estimators rank architectures with a benchmark's truth."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from archsieve.benchmarks.contract import codes_of, find_benchmark, noisy_truths
from archsieve.errors import SettingError
from archsieve.estimators.contract import check_estimators
from archsieve.judging.judgement import TOP, Subject, check_settings, judgements_of
from archsieve.randomness import generator
from archsieve.registry import ESTIMATORS
from archsieve.values import dense_ranks, offers, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.judging.judgement import Judgement
    from archsieve.runs.session import Session
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.spaces.limits import Limits

NOISY_TRUTHS = 100


def judge(
    session: Session,
    estimators: Sequence[AnyEstimator],
    *,
    truth: str | None = None,
    benchmark: str | None = None,
    distinct: bool = False,
    limits: Limits | None = None,
    epsilon: float = 0.1,
    bootstraps: int = 0,
) -> list[Judgement]:
    """Return a judgement of each estimator over all codes of the session's space in the benchmark's table.

    Where a benchmark predicts all codes, over a sample of them, drawn by the session's seed.

    Args:
        session: scores the codes, and judges estimators on its executor.
        estimators: what to judge.
        truth: the column; the benchmark's own unless given.
        benchmark: the table; the first one present unless given.
        distinct: judge one code of each network, the canonical one, instead of all codes.
        limits: bounds on costs; codes outside are left out.
        epsilon: margin below the best truth within which a code counts as near it, in the truth's unit.
        bootstraps: number of bootstrap resamples of the codes, for intervals; 0 for none.

    Raises:
        UnknownNameError: no such benchmark or column.
        MissingDataError: the table's file is not there.
        SettingError: fewer than ten codes are left, or a number is negative.
    """
    check_settings(epsilon, bootstraps)
    check_estimators(estimators)
    if not offers(session, "scores", "space"):
        raise wrong_kind("`session`", "an open session", session, "write archsieve.Session(folder, space, task)")
    recipe = find_benchmark(session.space, truth, benchmark)
    table, column = recipe.load().within(session.space), truth or str(recipe.truth)
    codes = codes_of(table, session.space, session.seed)
    is_distinct = not distinct or getattr(table, "by_network", False)
    archs = [
        arch
        for arch, value in zip(codes, table.lookup(column, codes), strict=True)
        if not np.isnan(value) and (is_distinct or session.space.canonical(arch) == arch)
    ]
    archs = archs if limits is None else _within(session, archs, limits)
    if len(archs) < TOP:
        raise SettingError(f"The column {column!r} of {recipe.name} has {len(archs)} values, but {TOP} are needed.")
    scores = session.scores(estimators, archs)
    names = [e.name for e in estimators]
    values = table.lookup(column, archs)
    subject = Subject(
        values=values,
        order=dense_ranks(values),
        benchmark=recipe.name,
        column=column,
        noisy=noisy_truths(recipe, table, column, archs, NOISY_TRUTHS, generator(session.seed, "noise", "truth")),
        params=scores[:, names.index("params")] if "params" in names else None,
        epsilon=epsilon,
        bootstraps=bootstraps,
        seed=session.seed,
    )
    judgements = judgements_of(names, scores, subject, session.executor)
    return [
        replace(
            _with_failures(judgement, session.failures(estimator, archs), archs, column, session.space),
            pictures=" ".join(session.pictures(estimator)),
        )
        for judgement, estimator, column in zip(judgements, estimators, scores.T, strict=True)
    ]


def _with_failures(
    judgement: Judgement,
    reasons: dict[Architecture, str],
    archs: Sequence[Architecture],
    scores: NDArray[np.float64],
    space: SearchSpace,
) -> Judgement:
    """Return the judgement with its failures, including those of the estimator's parts."""
    if not reasons:
        return judgement
    scored = {arch for arch, is_missing in zip(archs, np.isnan(scores).tolist(), strict=True) if not is_missing}
    first = next((f"{space.describe(arch)}: {why}" for arch, why in reasons.items()), "")
    return replace(judgement, failed_parts=len(scored & reasons.keys()), first_failure=first)


def _within(session: Session, archs: list[Architecture], limits: Limits) -> list[Architecture]:
    """Return the codes whose sizes are within the limits."""
    names = list(limits.bounds)
    costs = session.scores([ESTIMATORS[name]() for name in names], archs)
    kept = [arch for arch, row in zip(archs, costs, strict=True) if limits.admits(dict(zip(names, row, strict=True)))]
    if len(kept) < TOP:
        raise SettingError(f"Only {len(kept)} codes are within {limits}, but {TOP} are needed: relax the limits.")
    return kept
