"""Measures the proxies of 2024 to 2026 on a sample of NAS-Bench-201, by two seeds, and prints how well they rank.

    python studies/newest_proxies.py FOLDER [CODES]

Needs CIFAR-10 and the benchmark file (see `archsieve data`). Scores are kept in FOLDER: run it again to go on. The
table has Kendall's tau with the test accuracy over all codes of the sample and over those of its connected cells, and
for every third chunk, which a second seed scores too, tau by both seeds and what they agree in.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from proxy_quality import is_connected

from archsieve import BENCHMARKS, SPACES, TASKS, Session
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.judging.metrics import kendall_tau, ndcg_at_k, spearman, top_hundredth
from archsieve.registry import ESTIMATORS
from archsieve.runs.score_tables import shipped

BATCH = 16
"""Inputs that the new proxies look at: a fourth of the usual batch, and about a fourth of the time."""
STUDIED = (
    *(ZeroCost(name, BATCH) for name in ("vkdnw", "wrcor", "lswag")),
    ZeroCost("meco", BATCH, options=(("channels", 8),)),
    *map(ZeroCost, ("trainable_layers", "zico", "swap", "nwot")),
    ESTIMATORS["params"](),
)
"""Those of before are in the shipped tables for the first seed, and stand beside them for comparison."""
CHUNK = 10


def main(folder: Path, codes: int) -> None:
    """Score chunk by chunk, seed after seed within each, and print the table."""
    space, task = SPACES["nasbench201"](), TASKS["cifar10"]()
    known = next(table for table in shipped() if table.name == "nasbench201-cifar10-sample").archs
    archs = [known[i] for i in np.random.default_rng(0).permutation(len(known))[:codes]]
    truth = BENCHMARKS["nasbench201-cifar10"].load().lookup("test_acc_200", archs)
    sessions = [Session(folder / f"seed{seed}", space, task, seed=seed) for seed in (0, 1)]
    scores = np.full((2, codes, len(STUDIED)), np.nan)
    for start in range(0, codes, CHUNK):
        part = slice(start, start + CHUNK)
        for seed in (0, 1) if start // CHUNK % 3 == 0 else (0,):
            studied = STUDIED if seed == 0 else STUDIED[:4]
            scores[seed, part, : len(studied)] = sessions[seed].scores(studied, archs[part])
        if (start + CHUNK) % 20 == 0 or start + CHUNK >= codes:
            _show(archs[: start + CHUNK], truth[: start + CHUNK], scores[:, : start + CHUNK])
    for session in sessions:
        session.close()


def _show(archs: list[tuple[int, ...]], truth: np.ndarray, scores: np.ndarray) -> None:
    connected = np.array([is_connected(arch) for arch in archs])
    twice = np.isfinite(scores[1]).any(axis=1)
    print(f"{len(archs)} codes, {connected.sum()} of them connected, {twice.sum()} scored by two seeds")
    header = ("proxy", "tau", "connected", "Spearman", "nDCG", "tau of those scored twice", "seeds agree in")
    print(f"| {' | '.join(header)} |\n{'|---' * len(header)}|")
    for k, estimator in enumerate(STUDIED):
        one, other = scores[:, :, k]
        figures = [
            kendall_tau(one, truth),
            kendall_tau(one[connected], truth[connected]),
            spearman(one, truth),
            ndcg_at_k(one, truth, top_hundredth(len(truth))),
        ]
        both, agreement = "-", "-"
        if np.isfinite(other[twice]).all():
            both = " / ".join(f"{kendall_tau(column[twice], truth[twice]):.3f}" for column in (one, other))
            agreement = f"{spearman(one[twice], other[twice]):.3f}"
        row = (estimator.name, *(f"{figure:.3f}" for figure in figures), both, agreement)
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 400)
