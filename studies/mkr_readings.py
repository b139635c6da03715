"""Compares our tau and 1 - MKR on NAS-Bench-201 with the published readings, and prints a table for docs/mkr_study.md.

    python studies/mkr_readings.py

MKR hangs on one network's place. How much of a difference that alone explains is told by scoring the best network
again with other seeds (other batches and initial weights), all others keeping the scores of seed 0. Needs the benchmark
file and CIFAR-10 (see `archsieve data`); takes minutes.
"""

from __future__ import annotations

import tempfile

import numpy as np

from archsieve import BENCHMARKS, SPACES, TASKS, Session
from archsieve.judging.metrics import kendall_tau
from archsieve.plans.parts import make

TRUTH = "val_acc_200"
SEEDS = range(1, 11)
READINGS = {  # tau and 1 - MKR, read off the figure of the method's public code, to 0.003
    "synflow": (0.538, 0.998),
    "params": (0.540, 0.973),
    "flops": (0.501, 0.975),
    "l2_norm": (0.495, 0.965),
    "nwot": (0.586, 0.970),
    "jacov": (0.568, 0.939),
    "grasp": (0.360, 0.623),
    "epe_nas": (0.531, 0.567),
    "zen": (0.271, 0.947),
    "plain": (-0.121, 0.509),
    "fisher": (0.369, 0.342),
    "snip": (0.431, 0.484),
    "grad_norm": (0.431, 0.484),
}


def scores(estimators, archs, seed: int, *, recompute: bool = False):
    """Return scores (n, k) by the shipped tables, or computed anew."""
    space, task = SPACES["nasbench201"](), TASKS["cifar10"]()
    kept = () if recompute else None
    with tempfile.TemporaryDirectory() as folder, Session(folder, space, task, seed=seed, tables=kept) as session:
        return session.scores(estimators, archs)


def share_below(column, score) -> float:
    """Return the share of the space that scores lower; what has no score does."""
    return 1 - float((column >= score).mean())


def main() -> None:
    """Print the table."""
    table = BENCHMARKS["nasbench201-cifar10"].load()
    truth = table.columns[TRUTH]
    best = table.archs[int(truth.argmax())]
    estimators = [make("estimator", name) for name in READINGS]
    first = scores(estimators, table.archs, 0)
    again = np.array([scores(estimators, [best], seed, recompute=True)[0] for seed in SEEDS])
    own = first[list(table.archs).index(best)]
    print(f"| proxy | tau, read | tau, ours | 1 - MKR, read | ours | ours by {len(SEEDS)} other seeds of the best |")
    print("|---|---|---|---|---|---|")
    for k, (name, (tau, share)) in enumerate(READINGS.items()):
        others = np.sort([share_below(first[:, k], score) for score in again[:, k]])
        spread = f"{others[0]:.3f} / {np.median(others):.3f} / {others[-1]:.3f}"
        ours = kendall_tau(first[:, k], truth)
        print(f"| {name} | {tau:.3f} | {ours:.3f} | {share:.3f} | {share_below(first[:, k], own[k]):.3f} | {spread} |")


if __name__ == "__main__":
    main()
