"""Measures the fitted vote beside a fixed order and beside `guided`, on halves of NAS-Bench-201.

    python studies/fitted_vote.py [SEEDS]

Needs the benchmark file (see `archsieve data`), whose trainings are looked up; the features are the shipped scores.
Writes between the marks of docs/searchers.md, for each way, how often the best network of the half is among the first
50 and 100 trained ones, the mean regret, and differences of ways on the same halves. Two minutes for 100 halves.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from marks import write_between

from archsieve import BENCHMARKS, SPACES
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.runs.score_tables import shipped
from archsieve.searchers.contract import Candidates
from archsieve.searchers.fitted_vote import FittedVote
from archsieve.searchers.guided_searcher import Guided

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAGE = Path(__file__).parents[1] / "docs" / "searchers.md"
FEATURES = ("nwot", "swap", "synflow_log", "jacov")
TRUTHS = {"test_acc_200": "test accuracy", "val_acc_200": "validation accuracy"}
AT = (50, 100)
WAYS = {
    "equal weights": FittedVote(FEATURES, explored=1, population=1, drawn=1),
    "fitted vote": FittedVote(FEATURES),
    "fitted vote, 40 explored": FittedVote(FEATURES, explored=40),
    "guided": Guided(FEATURES),
}
COMPARED = (("fitted vote", "equal weights"), ("guided", "fitted vote"))
DRAWS = 2_000  # of the bootstrap


def main(seeds: int) -> None:
    """Measure all ways for each truth, and write the tables of the page."""
    space = SPACES["nasbench201"]()
    benchmark = BENCHMARKS["nasbench201-cifar10"].load()
    every = [arch for arch in benchmark.archs if space.canonical(arch) == arch]
    table = next(table for table in shipped() if table.name == "nasbench201-cifar10")
    scores = [table.get(str(table.column_of(ZeroCost(name))), every) for name in FEATURES]
    known = {arch: np.array([column[arch].score for column in scores]) for arch in every}
    regrets = {}
    for column in TRUTHS:
        truth = dict(zip(every, benchmark.lookup(column, every).tolist(), strict=True))
        runs = []
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            half = [every[i] for i in rng.permutation(len(every))[: len(every) // 2]]
            candidates = Candidates(space, half, partial(_features, known))
            runs.append([_regrets(searcher, candidates, truth, seed) for searcher in WAYS.values()])
        regrets[column] = np.array(runs).transpose(1, 0, 2)  # (ways, seeds, AT)
    write_between(PAGE, "fitted vote", [*_means(regrets), "", *_differences(regrets)])


def _regrets(searcher: Any, candidates: Candidates, truth: dict[tuple[int, ...], float], seed: int) -> list[float]:
    """Return what the best of the first trained networks lacks to the best candidate, for each number of `AT`."""
    search, found = searcher.begin(candidates, np.random.default_rng(seed)), []
    while len(found) < max(AT) and (archs := search.ask(99)):
        values = [truth[arch] for arch in archs]
        search.tell(archs, np.array(values))
        found += values
    best = max(truth[arch] for arch in candidates.archs or [])
    return [best - max(found[:count]) for count in AT]


def _means(regrets: dict[str, NDArray[np.float64]]) -> list[str]:
    """Return the table of how often each way has the best network, and of its mean regret."""
    header = ["way"]
    for title in TRUTHS.values():
        header += [f"{title}: best in {AT[0]}", *(f"in {n}" for n in AT[1:])]
        header += [f"regret at {AT[0]}", *(f"at {n}" for n in AT[1:])]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for place, name in enumerate(WAYS):
        cells = []
        for rows in (of_truth[place] for of_truth in regrets.values()):
            cells += [f"{share:.0%}" for share in (rows == 0).mean(axis=0)]
            cells += [f"{mean:.2f}" for mean in rows.mean(axis=0)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _differences(regrets: dict[str, NDArray[np.float64]]) -> list[str]:
    """Return the table of differences between two ways on the same halves, with 95 % bootstrap intervals."""
    header = ("difference", "truth", *(f"best in {n}" for n in AT), *(f"regret at {n}" for n in AT))
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    names = list(WAYS)
    for one, other in COMPARED:
        for column, title in TRUTHS.items():
            rows = regrets[column][names.index(one)], regrets[column][names.index(other)]
            hits = [_interval(100 * ((rows[0] == 0)[:, k] * 1.0 - (rows[1] == 0)[:, k]), ".0f") for k in range(len(AT))]
            lost = [_interval(rows[0][:, k] - rows[1][:, k], ".3f") for k in range(len(AT))]
            lines.append(f"| {one} - {other} | {title} | {' | '.join([*hits, *lost])} |")
    return lines


def _interval(values: NDArray[np.float64], form: str) -> str:
    draws = np.random.default_rng(0).integers(0, len(values), (DRAWS, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    mean, low, high = (f"{number:+{form}}" for number in (values.mean(), low, high))
    return f"{mean} [{low}, {high}]"


def _features(known: dict[tuple[int, ...], np.ndarray], archs: list[tuple[int, ...]]) -> np.ndarray:
    return np.array([known[tuple(arch)] for arch in archs])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
