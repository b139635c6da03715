"""Measures the fitted vote beside a fixed order and beside `guided`, on halves of NAS-Bench-201.

    python studies/fitted_vote.py [SEEDS]

Needs the benchmark file (see `archsieve data`), whose trainings are looked up; the features are the shipped scores.
Prints, for each way, how often the best network of the half is among the first 50 and 100 trained ones, and the mean
regret.
"""

from __future__ import annotations

import sys
from functools import partial

import numpy as np

from archsieve import BENCHMARKS, SPACES
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.runs.score_tables import shipped
from archsieve.searchers.contract import Candidates
from archsieve.searchers.fitted_vote import FittedVote
from archsieve.searchers.guided_searcher import Guided

FEATURES = ("nwot", "swap", "synflow_log", "jacov")
TRUTHS = ("test_acc_200", "val_acc_200")
AT = (50, 100)


def main(seeds: int) -> None:
    """Print a table for each truth."""
    space = SPACES["nasbench201"]()
    every = [arch for arch in BENCHMARKS["nasbench201-cifar10"].load().archs if space.canonical(arch) == arch]
    table = next(table for table in shipped() if table.name == "nasbench201-cifar10")
    scores = [table.get(str(table.column_of(ZeroCost(name))), every) for name in FEATURES]
    known = {arch: np.array([column[arch].score for column in scores]) for arch in every}
    for column in TRUTHS:
        truth = dict(zip(every, BENCHMARKS["nasbench201-cifar10"].load().lookup(column, every).tolist(), strict=True))
        regrets: dict[str, list[list[float]]] = {}
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            half = [every[i] for i in rng.permutation(len(every))[: len(every) // 2]]
            candidates = Candidates(space, half, partial(_features, known))
            ways = {
                "equal weights": FittedVote(FEATURES, explored=1, population=1, drawn=1),
                "fitted vote": FittedVote(FEATURES),
                "fitted vote, 40 explored": FittedVote(FEATURES, explored=40),
                "guided": Guided(FEATURES),
            }
            best = max(truth[arch] for arch in half)
            for name, searcher in ways.items():
                search, found = searcher.begin(candidates, np.random.default_rng(seed)), []
                while len(found) < max(AT) and (archs := search.ask(99)):
                    values = [truth[arch] for arch in archs]
                    search.tell(archs, np.array(values))
                    found += values
                regrets.setdefault(name, []).append([best - max(found[:count]) for count in AT])
        header = ("way", *(f"best in {count}" for count in AT), *(f"regret at {count}" for count in AT))
        print(f"{column}, {seeds} halves\n| {' | '.join(header)} |\n{'|---' * len(header)}|")
        for name, rows in regrets.items():
            figures = np.array(rows)
            shares = " | ".join(f"{share:.0%}" for share in (figures == 0).mean(axis=0))
            print(f"| {name} | {shares} | {' | '.join(f'{mean:.2f}' for mean in figures.mean(axis=0))} |", flush=True)


def _features(known: dict[tuple[int, ...], np.ndarray], archs: list[tuple[int, ...]]) -> np.ndarray:
    return np.array([known[tuple(arch)] for arch in archs])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
