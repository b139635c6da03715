"""The study of the method's claim: the minimum keeping ratio predicts what a search will find, and tau does not.

"Good Performance Estimation strategies are All You Need in Neural Architecture Search" (TPAMI 2025) maximises each of
13 zero-cost proxies by differential evolution over NAS-Bench-201, and correlates the accuracy found with the proxy's
tau and with 1 - MKR. Here with intervals, and with other searchers too, so that the claim is tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.benchmarks.contract import find_benchmark, table_of
from archsieve.errors import SettingError
from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio
from archsieve.randomness import generator
from archsieve.registry import SEARCHERS
from archsieve.runs.attempts import finished
from archsieve.runs.provenance import Provenance, provenance
from archsieve.searchers.history import maximise
from archsieve.spaces.sampling import check_listable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

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
MEASURES = ("tau", "1 - MKR")
FEWEST_FOR_A_VERDICT = 8
"""Least number of estimators for a verdict: with fewer, a correlation and its bootstrap mean nothing."""
_DRAWS = 2000  # of the bootstrap


@dataclass(frozen=True)
class Finding:
    """How an estimator ranks against a truth, and the results of searches that maximise it.

    `found` holds, by searcher, the true value of the result of each seed, in the truth's unit. `tau` is None where all
    scores are equal; such a finding takes no part in claims and figures.
    """

    estimator: str
    truth: str
    tau: float | None
    mkr: float
    found: dict[str, tuple[float, ...]]

    @property
    def measures(self) -> tuple[float, float]:
        """Tau and 1 - MKR: for both, higher is better."""
        return float("nan") if self.tau is None else self.tau, 1 - self.mkr


@dataclass(frozen=True)
class Claim:
    """Correlations, over the estimators, of what a searcher finds with each measure, and their 95 % intervals.

    The last of `MEASURES` is claimed to be the better one: `kendall_gain` and `pearson_gain` are its correlation less
    the first one's, and an interval that excludes 0 supports the claim. None where a side is constant.
    """

    truth: str
    searcher: str
    kendall: dict[str, tuple[float, float, float] | None]
    pearson: dict[str, tuple[float, float, float] | None]
    kendall_gain: tuple[float, float, float] | None
    pearson_gain: tuple[float, float, float] | None


STUDY_FILE = "study.json"


@dataclass(frozen=True)
class Study:
    """All findings and claims, over `count` codes; `seeds` searches each, drawn by `seed`, of `budget` evaluations.

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
    benchmark: str | None = None,
    searchers: Sequence[str] = STUDIED,
    seeds: int = 20,
    budget: int = 1000,
    command: str = "",
) -> Study:
    """Measure the estimators over a whole space, maximise each by every searcher, and correlate.

    Args:
        session: its space is the one searched; its executor runs the searches.
        estimators: at least three.
        truths: columns of the benchmark; its own truth unless given.
        benchmark: the table; the first one present unless given.
        searchers: names in the catalogue of searchers.
        seeds: searches for each estimator and searcher; each has random numbers of its own.
        budget: evaluations of a search, duplicates included; both evolutions keep 50 members.
        command: what the user called, for the record.

    Raises:
        SettingError: fewer than three estimators, one of them twice, no search, or a space too large to list.
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
    check_listable(session.space)
    recipe = find_benchmark(session.space, truths[0] if truths else None, benchmark)
    table = table_of(recipe).within(session.space)
    columns = {name: table.lookup(name, table.archs) for name in truths or [str(recipe.truth)]}
    unknown = np.isnan(np.array(list(columns.values()))).any(axis=0)
    archs = [arch for arch, lacks in zip(table.archs, unknown.tolist(), strict=True) if not lacks]
    scores = session.scores(estimators, archs)
    for estimator, column in zip(estimators, scores.T, strict=True):
        session.require_scores(estimator, archs, column)
    runs = (
        _Run(name, searcher, seed, cube)
        for name, cube in zip(names, (_cube(session.space, archs, column) for column in scores.T), strict=True)
        for searcher in labels
        for seed in range(seeds)
    )
    winners = dict(finished(session.executor.map(partial(_search, session.space, budget, session.seed), runs)))
    findings = []
    for truth in columns:
        values = table.lookup(truth, archs)
        for k, name in enumerate(names):
            reached = {
                searcher: tuple(table.lookup(truth, [winners[name, searcher, seed] for seed in range(seeds)]).tolist())
                for searcher in labels
            }
            tau, mkr = kendall_tau(scores[:, k], values), minimum_keeping_ratio(scores[:, k], values)
            findings.append(Finding(name, truth, None if np.isnan(tau) else tau, mkr, reached))
    claims = tuple(
        _claim(comparable(findings, truth), truth, searcher, session.seed) for truth in columns for searcher in labels
    )
    return Study(
        benchmark=recipe.name,
        count=len(archs),
        seeds=seeds,
        budget=budget,
        seed=session.seed,
        findings=tuple(findings),
        claims=claims,
        provenance=provenance(command, session.device, session.executor.workers),
        pictures=session.pictures(),
    )


def verdict(gain: tuple[float, float, float] | None, estimators: int) -> str:
    """Return whether the interval of a gain over so many estimators supports the claim; few give no verdict.

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


def without_verdict(study: Study) -> str:
    """Return a sentence on the truths whose claims have too few estimators for a verdict; empty where none has."""
    counts = {claim.truth: len(comparable(study.findings, claim.truth)) for claim in study.claims}
    few = [f"{truth}: {count}" for truth, count in counts.items() if count < FEWEST_FOR_A_VERDICT]
    if not few:
        return ""
    return f"A verdict needs {FEWEST_FOR_A_VERDICT} estimators that rank, but there are fewer ({', '.join(few)})."


def comparable(findings: Iterable[Finding], truth: str) -> list[Finding]:
    """Return those of this truth that have both measures."""
    return [f for f in findings if f.truth == truth and f.tau is not None]


def _label(searcher: str) -> str:
    """Return what a study calls a searcher, after a check that there is one: its name with spaces."""
    SEARCHERS[searcher]
    return searcher.replace("-", "_").replace("_", " ")


def _cube(space: SearchSpace, archs: Sequence[tuple[int, ...]], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores by code, NaN where there is none."""
    cube = np.full(space.choices, np.nan)
    cube[tuple(np.array(archs).T)] = scores
    return cube


@dataclass(frozen=True, eq=False)
class _Run:
    """One search: the estimator it maximises, searcher, seed, and the scores by code."""

    estimator: str
    searcher: str
    seed: int
    cube: NDArray[np.float64]


def _search(space: SearchSpace, budget: int, run_seed: int, run: _Run) -> tuple[tuple[str, str, int], tuple[int, ...]]:
    """Return the code that one search finds, with the key of the search."""
    key = run.estimator, run.searcher, run.seed
    result = maximise(
        SEARCHERS[run.searcher.replace(" ", "_")](),
        space,
        lambda archs: run.cube[tuple(np.array(archs).T)],
        budget=budget,
        rng=generator(run_seed, "sample", "study", *key),
    )
    if result.best is None:
        raise SettingError(f"A search by {run.estimator} has no result: none of its architectures has a score.")
    return key, result.best


def _claim(findings: Sequence[Finding], truth: str, searcher: str, seed: int) -> Claim:
    """Return the correlations over the estimators; the bootstrap draws estimators, and seeds within each."""
    if len(findings) < 3:
        nothing = dict.fromkeys(MEASURES)
        return Claim(truth, searcher, {**nothing}, {**nothing}, None, None)
    measures: NDArray[np.float64] = np.array([f.measures for f in findings])
    reached: NDArray[np.float64] = np.array([f.found[searcher] for f in findings])
    rng = generator(seed, "sample", "claim", truth, searcher)
    resamples = list(_drawn(measures, reached, rng))
    correlations: dict[str, Any] = {"kendall": kendall_tau, "pearson": _pearson}
    figures: dict[str, Any] = {}
    mean = reached.mean(axis=1)
    for name, correlation in correlations.items():
        whole = [correlation(column, mean) for column in measures.T]
        samples = np.array([[correlation(column, y) for column in m.T] for m, y in resamples])
        figures[name] = {
            measure: _with_interval(value, samples[:, i])
            for i, (measure, value) in enumerate(zip(MEASURES, whole, strict=True))
        }
        figures[f"{name}_gain"] = _with_interval(whole[1] - whole[0], samples[:, 1] - samples[:, 0])
    return Claim(truth=truth, searcher=searcher, **figures)


def _drawn(
    measures: NDArray[np.float64], reached: NDArray[np.float64], rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    n, seeds = reached.shape
    for _ in range(_DRAWS):
        means = np.take_along_axis(reached, rng.integers(0, seeds, (n, seeds)), axis=1).mean(axis=1)
        rows = rng.integers(0, n, (n,))  # an estimator drawn twice is a tie on both sides
        yield measures[rows], means[rows]


def _pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float("nan") if np.ptp(x) == 0 or np.ptp(y) == 0 else float(np.corrcoef(x, y)[0, 1])


def _with_interval(value: float, samples: NDArray[np.float64]) -> tuple[float, float, float] | None:
    """Return low end, value and high end; None where the value is none. Draws without a correlation are left out."""
    if np.isnan(value):
        return None
    low, high = (float(np.nanquantile(samples, q)) for q in (0.025, 0.975))
    return low, float(value), high
