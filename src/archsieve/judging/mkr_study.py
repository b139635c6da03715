"""The study of the method's claim that the minimum keeping ratio predicts search results and tau does not.

"Good Performance Estimation strategies are All You Need in Neural Architecture Search" (TPAMI 2025) maximises each of
13 zero-cost proxies by differential evolution over NAS-Bench-201, and correlates the accuracy found with the proxy's
tau and with 1 - MKR. Here with intervals, and with other searchers too, so that the claim is tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from archsieve.benchmarks.contract import find_benchmark, table_of
from archsieve.errors import SettingError
from archsieve.judging.claims import FEWEST_FOR_A_VERDICT, Claim, Finding, claims_of, count_estimators
from archsieve.judging.metrics import (
    kendall_tau,
    minimum_keeping_ratio,
    ndcg_at_k,
    regret_at_k,
    top_hundredth,
    weighted_tau,
)
from archsieve.judging.study_searches import Run, by_code, search, searched
from archsieve.registry import SEARCHERS
from archsieve.runs.attempts import finished
from archsieve.runs.provenance import Provenance, provenance
from archsieve.spaces.sampling import check_listable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from archsieve.benchmarks.contract import Benchmark
    from archsieve.benchmarks.records import Table
    from archsieve.estimators.contract import AnyEstimator
    from archsieve.runs.session import Session
    from archsieve.spaces.contract import SearchSpace

PROXIES = (
    "epe_nas",
    "fisher",
    "flops",
    "grad_norm",
    "grasp",
    "jacov",
    "l2_norm",
    "nwot",
    "params",
    "plain",
    "snip",
    "synflow",
    "zen",
)
"""The paper's thirteen; flops by NASLib's count, since multiply-adds rank exactly like params in NAS-Bench-201."""
STUDIED = ("differential_evolution", "regularized_evolution", "random_search")
"""Names of the searchers that a study compares unless told."""
TOP = 10
"""The regret of a study is that of an estimator's top ten."""
STUDY_FILE = "study.json"
_FEWEST_CODES = 10


@dataclass(frozen=True)
class Study:
    """All findings and claims over `count` codes, with `seeds` searches of `budget` scores per estimator and searcher.

    `pictures` says which scores were not made on the pictures of the session's task.
    """

    benchmark: str
    count: int
    seeds: int
    budget: int
    seed: int
    findings: tuple[Finding, ...]
    claims: tuple[Claim, ...]
    provenance: Provenance
    pictures: tuple[str, ...] = ()


def mkr_study(
    session: Session,
    estimators: Sequence[AnyEstimator],
    *,
    truths: Sequence[str] = (),
    benchmark: str | Sequence[str] | None = None,
    searchers: Sequence[str] = STUDIED,
    seeds: int = 20,
    budget: int = 1000,
    command: str = "",
) -> Study:
    """Evaluate estimators over a whole space, maximise each with every searcher, and correlate the results.

    Args:
        session: its space is the one searched, or the codes of the table where that knows less than half of the space;
            its executor runs the searches.
        estimators: at least three.
        truths: columns of the benchmark; its own truth unless given. Where there are several, in one benchmark or in
            several, claims about all of them together are made too.
        benchmark: the table, or several about the same space; the first one present unless given. Codes that lack one
            of the truths are left out.
        searchers: names in the catalogue of searchers.
        seeds: searches for each estimator and searcher; each has random numbers of its own.
        budget: evaluations of a search, duplicates included; both evolutions keep 50 members.
        command: what the user called, for the record.

    Raises:
        SettingError: fewer than three estimators, one of them twice, no search, or a space too large to list, unless
            its table has a row for each network (`by_network`) or only recorded values are known of it.
        UnknownNameError: no such benchmark, column or searcher.
        MissingDataError: the table's file is not there.
        EstimatorError: an estimator could score nothing.
    """
    if len(estimators) < 3 or seeds < 1:
        raise SettingError(f"At least 3 estimators and 1 seed are needed, but got {len(estimators)} and {seeds}.")
    names = [estimator.name for estimator in estimators]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingError(f"Each estimator can be studied once, but {twice[0]!r} was named twice.")
    labels = [_label(name) for name in searchers]
    chosen = _truths(session.space, truths, [benchmark] if isinstance(benchmark, str) else benchmark or [None])
    archs = _known_to_all(chosen)
    scores = session.scores(estimators, archs)
    for estimator, column in zip(estimators, scores.T, strict=True):
        session.require_scores(estimator, archs, column)
    space = searched(session.space, archs)
    runs = (
        Run(name, searcher, seed, known)
        for name, known in zip(names, (by_code(space, archs, column) for column in scores.T), strict=True)
        for searcher in labels
        for seed in range(seeds)
    )
    winners = dict(finished(session.executor.map(partial(search, space, budget, session.seed), runs)))
    findings = tuple(
        _finding(
            name, truth, scores[:, k], archs, {s: [winners[name, s, seed] for seed in range(seeds)] for s in labels}
        )
        for truth in chosen
        for k, name in enumerate(names)
    )
    return Study(
        benchmark=", ".join(dict.fromkeys(truth.benchmark for truth in chosen)),
        count=len(archs),
        seeds=seeds,
        budget=budget,
        seed=session.seed,
        findings=findings,
        claims=claims_of(findings, session.seed),
        provenance=provenance(command, session.device, session.executor.workers),
        pictures=session.pictures(),
    )


@dataclass(frozen=True, eq=False)
class _Truth:
    """A truth column of a table; `label` includes the benchmark's name if there are several benchmarks."""

    label: str
    benchmark: str
    table: Table
    column: str


def _truths(space: SearchSpace, columns: Sequence[str], benchmarks: Sequence[str | None]) -> list[_Truth]:
    """Return the truth columns of each benchmark."""
    truths = []
    for name in benchmarks:
        recipe: Benchmark = find_benchmark(space, columns[0] if columns else None, name)
        if not (getattr(space, "is_recorded", False) or getattr(recipe.load(), "by_network", False)):
            check_listable(space)
        table = table_of(recipe).within(space)
        for column in columns or [str(recipe.truth)]:
            label = column if len(benchmarks) == 1 else f"{recipe.name} {column}"
            truths.append(_Truth(label, recipe.name, table, column))
    if twice := [truth.label for i, truth in enumerate(truths) if truth.label in {t.label for t in truths[:i]}]:
        raise SettingError(f"Each truth can be studied once, but {twice[0]!r} was named twice.")
    return truths


def _known_to_all(truths: Sequence[_Truth]) -> list[tuple[int, ...]]:
    """Return the codes that have a value in every truth."""
    archs = truths[0].table.archs
    values = np.array([truth.table.lookup(truth.column, archs) for truth in truths])
    known = [arch for arch, lacks in zip(archs, np.isnan(values).any(axis=0).tolist(), strict=True) if not lacks]
    if len(known) < _FEWEST_CODES:
        names = ", ".join(truth.label for truth in truths)
        raise SettingError(f"Only {len(known)} codes have a value of each of {names}, but {_FEWEST_CODES} are needed.")
    return known


def _finding(
    name: str,
    truth: _Truth,
    scores: NDArray[np.float64],
    archs: Sequence[tuple[int, ...]],
    winners: dict[str, list[tuple[int, ...]]],
) -> Finding:
    """Return how the scores rank the codes by this truth, and the true values of the searches' winners."""
    values = truth.table.lookup(truth.column, archs)
    tau = kendall_tau(scores, values)
    return Finding(
        estimator=name,
        truth=truth.label,
        tau=None if np.isnan(tau) else tau,
        mkr=minimum_keeping_ratio(scores, values),
        found={s: tuple(truth.table.lookup(truth.column, codes).tolist()) for s, codes in winners.items()},
        weighted_tau=None if np.isnan(tau) else weighted_tau(scores, values),
        ndcg=ndcg_at_k(scores, values, top_hundredth(len(values))),
        regret=regret_at_k(scores, values, TOP),
    )


def without_verdict(study: Study) -> str:
    """Return a sentence on truths with too few estimators for a verdict; empty if there are none."""
    counts = {claim.truth: count_estimators(study.findings, claim.truth) for claim in study.claims}
    few = [f"{truth}: {count}" for truth, count in counts.items() if count < FEWEST_FOR_A_VERDICT]
    if not few:
        return ""
    return f"A verdict needs {FEWEST_FOR_A_VERDICT} estimators that rank, but there are fewer ({', '.join(few)})."


def _label(searcher: str) -> str:
    """Return the name of a searcher with spaces, after checking that it exists."""
    SEARCHERS[searcher]
    return searcher.replace("-", "_").replace("_", " ")
