"""Measures the proxies of 2024 to 2026 on a sample of a space, and prints how well they rank it.

    python studies/newest_proxies.py FOLDER nasbench201 [CODES]
    python studies/newest_proxies.py FOLDER nasbench-macro [CODES]

Needs CIFAR-10 and the benchmark file (see `archsieve data`). Codes are drawn from the sample of the shipped tables, so
that older proxies need no computation. Scores are kept in FOLDER: run it again to go on. Of every four chunks one is
scored by a second seed too: the last two columns have tau by both seeds, and Spearman's correlation of the two seeds.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import numpy as np
from proxy_quality import is_connected

from archsieve import BENCHMARKS, SPACES, TASKS, Session
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio, ndcg_at_k, spearman, top_hundredth
from archsieve.registry import ESTIMATORS
from archsieve.runs.folder import RESULTS_FILE
from archsieve.runs.score_tables import shipped
from archsieve.runs.store import Store

TRUTHS = {
    "nasbench201": ("nasbench201-cifar10", "test_acc_200"),
    "nasbench-macro": ("nasbench-macro-cifar10", "mean_acc"),
}
NEW = (*map(ZeroCost, ("vkdnw", "wrcor", "lswag")), ZeroCost("meco", options=(("channels", 8),)))
OLD = tuple(map(ZeroCost, ("trainable_layers", "zico", "swap", "nwot", "synflow_log", "jacov", "meco")))
STUDIED = (*NEW, *OLD, ESTIMATORS["params"](), ESTIMATORS["macs"](), ESTIMATORS["az_nas"](), ESTIMATORS["vkdnw_agg"]())
CHUNK = 10


def main(folder: Path, name: str, count: int) -> None:
    """Score chunk by chunk, and print the table after every fifth chunk."""
    space, task = SPACES[name](), TASKS["cifar10"]()
    benchmark, column = TRUTHS[name]
    known = next(table for table in shipped() if table.name == f"{name}-cifar10-sample").archs
    archs = [known[i] for i in np.random.default_rng(0).permutation(len(known))[:count]]
    truth = BENCHMARKS[benchmark].load().lookup(column, archs)
    first, second = (Session(folder / name / f"seed{seed}", space, task, seed=seed) for seed in (0, 1))
    with first, second:
        for start in range(0, count, CHUNK):
            part = archs[start : start + CHUNK]
            first.scores(NEW, part)
            if start // CHUNK % 4 == 0:
                second.scores(NEW, part)
            done = min(start + CHUNK, count)
            if done % (5 * CHUNK) == 0 or done == count:
                _show(first, second, archs[:done], truth[:done])


def _seconds(folder: Path) -> dict[str, float]:
    """Return the mean seconds for one network; proxies that were scored together each have the time of all of them."""
    with closing(Store(folder / RESULTS_FILE, read_only=True)) as store:
        rows = list(store.rows())
    return {name: float(np.mean([row.seconds for row in rows if row.name == name])) for name in {r.name for r in rows}}


def _show(first: Session, second: Session, archs: list[tuple[int, ...]], truth: np.ndarray) -> None:
    scores = first.scores(STUDIED, archs)
    seconds = _seconds(first.folder)
    connected = np.array([is_connected(arch) for arch in archs]) if len(archs[0]) == 6 else np.ones(len(archs), bool)
    twice = np.arange(len(archs)) // CHUNK % 4 == 0
    again = second.scores(NEW, [arch for arch, chosen in zip(archs, twice, strict=True) if chosen])
    print(f"{len(archs)} codes, {connected.sum()} of them connected, {twice.sum()} scored by two seeds")
    header = (
        "proxy",
        "tau",
        "connected",
        "MKR",
        "nDCG",
        "seconds, all new ones",
        "tau by two seeds",
        "two seeds agree in",
    )
    print(f"| {' | '.join(header)} |\n{'|---' * len(header)}|")
    for k, estimator in enumerate(STUDIED):
        one = scores[:, k]
        figures = (
            kendall_tau(one, truth),
            kendall_tau(one[connected], truth[connected]),
            minimum_keeping_ratio(one, truth),
            ndcg_at_k(one, truth, top_hundredth(len(truth))),
        )
        both = ("-", "-", "-")
        if k < len(NEW):
            taus = [kendall_tau(column, truth[twice]) for column in (one[twice], again[:, k])]
            agreement = spearman(one[twice], again[:, k])
            both = (f"{seconds[estimator.name]:.2f}", " / ".join(f"{tau:.3f}" for tau in taus), f"{agreement:.3f}")
        print(f"| {' | '.join((estimator.name, *(f'{figure:.3f}' for figure in figures), *both))} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 400)
