"""Trains a supernet on CIFAR-10, scores a whole space with it, and says how well it ranks.

    python studies/supernets.py nasbench-macro --epochs 15 --out runs/supernet-macro
    python studies/supernets.py nasbench-macro --epochs 5 --sampling fair --out runs/supernet-macro-fair
    python studies/supernets.py nasbench201 --epochs 15 --items 256 --again 1000 --out runs/supernet-201

It can be stopped and started again: training goes on after the last step taken, and what is scored is not scored
again. Training takes one core. The scores go into FOLDER/scores.npz, the figures into FOLDER/supernet.json, and
docs/supernets.md is written anew from all such files below the folder's parent.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from archsieve import BENCHMARKS, ESTIMATORS, SPACES, TASKS, Session
from archsieve._files import replace_file
from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio, spearman
from archsieve.runs.executors import Processes

PAGE = Path(__file__).parents[1] / "docs" / "supernets.md"
TRUTHS = {
    "nasbench-macro": ("nasbench-macro-cifar10", "mean_acc"),
    "nasbench201": ("nasbench201-cifar10", "test_acc_200"),
}
TOP = 20


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", choices=list(TRUTHS))
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--sampling", choices=["uniform", "fair"], default="uniform")
    parser.add_argument("--items", type=int, default=5000, help="images every network is scored on")
    parser.add_argument("--again", type=int, default=0, help="images the best are then scored on")
    parser.add_argument("--share", type=float, default=0.5, help="who the best are, as a share of the codes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    return parser.parse_args()


def progress(label: str, done: int, total: int) -> None:
    """Print where the work stands."""
    print(f"{time.strftime('%H:%M:%S')} {label} {done}/{total}", flush=True)


def figures(scores, truth):
    """Return tau, rho and MKR, and the band of MKRs had each of the twenty best been the optimum."""
    best = np.argsort(-truth, kind="stable")[:TOP]
    band = [float(np.mean(scores >= scores[i])) for i in best]
    return {
        "tau": kendall_tau(scores, truth),
        "rho": spearman(scores, truth),
        "mkr": minimum_keeping_ratio(scores, truth),
        "band": [min(band), float(np.median(band)), max(band)],
    }


def main() -> None:
    """Train, score, judge."""
    chosen = arguments()
    space, task = SPACES[chosen.space](), TASKS["cifar10"]()
    final_rate = 0.001 if chosen.space == "nasbench-macro" else 0.0
    settings = {"epochs": chosen.epochs, "sampling": chosen.sampling, "final_learning_rate": final_rate}
    first = ESTIMATORS["one_shot"](**settings, scoring_items=chosen.items)
    benchmark, column = TRUTHS[chosen.space]
    table = BENCHMARKS[benchmark].load()
    archs = list(table.archs)
    truth = table.lookup(column, archs)
    with (
        Processes(chosen.workers) as executor,
        Session(chosen.out, space, task, seed=chosen.seed, executor=executor, progress=progress) as session,
    ):
        begun = time.perf_counter()
        scores = session.scores([first], archs)[:, 0]
        if chosen.again:
            better = [archs[i] for i in np.argsort(-scores, kind="stable")[: int(chosen.share * len(archs))]]
            second = ESTIMATORS["one_shot"](**settings, scoring_items=chosen.again)
            again = dict(zip(better, session.scores([second], better)[:, 0], strict=True))
            # The best stay the best: their new scores only order them anew.
            scores = np.array([1000 + again[a] if a in again else s for a, s in zip(archs, scores, strict=True)])
    with replace_file(chosen.out / "scores.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, codes=np.array(archs, dtype=np.int8), scores=scores)
    distinct = np.array([space.canonical(arch) == arch for arch in archs])
    found = {
        "space": chosen.space,
        "seed": chosen.seed,
        **settings,
        "items": chosen.items,
        "again": chosen.again,
        "share": chosen.share,
        "all": figures(scores, truth),
        "distinct": figures(scores[distinct], truth[distinct]),
        "seconds_of_this_run": round(time.perf_counter() - begun),
    }
    with replace_file(chosen.out / "supernet.json") as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    write_page([json.loads(file.read_text()) for file in sorted(chosen.out.resolve().parent.glob("*/supernet.json"))])


def write_page(runs) -> None:
    """Write the table of all runs."""
    lines = [
        "# How well supernets rank",
        "",
        "Made by `studies/supernets.py` on CIFAR-10 (a copy in JPEG) with one seed, batches of 64 and batch",
        "statistics. To compute the band, we take each of the twenty truly best networks in turn as the optimum and",
        "compute the smallest top share that contains it. The band gives the smallest, the median and the largest",
        "of these twenty shares. With fair sampling, a training step trains as many paths as a decision has",
        "options; with uniform sampling, it trains one.",
        "",
        "| space | sampling | epochs | images | codes | tau | rho | MKR | band of the twenty best |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        images = f"{run['items']:,}" + (f", best {run['share']:.0%} {run['again']:,}" if run["again"] else "")
        for population in ("all", "distinct"):
            f = run[population]
            band = " / ".join(f"{value:.4f}" for value in f["band"])
            lines.append(
                f"| {run['space']} | {run['sampling']} | {run['epochs']} | {images} | {population} | {f['tau']:.3f} "
                f"| {f['rho']:.3f} | {f['mkr']:.5f} | {band} |"
            )
    PAGE.write_text("\n".join(lines) + "\n")
    print(f"{PAGE} written")


if __name__ == "__main__":
    main()
