"""Scores the 250 published DARTS cells by our proxies, beside the published scores, and writes a page.

    python studies/proxies_nasbench301.py --out runs/nasbench301
    python studies/proxies_nasbench301.py --out runs/nasbench301 --proxies jacov,epe_nas

Needs `published-proxies-nasbench301-cifar10.json` and CIFAR-10 (see `archsieve data`). It can be stopped and started
again: what is in the folder is not computed again, and the page, docs/proxies_nasbench301.md, is written after every
group of proxies from all that the folder holds for every cell. The groups take 1.5 to 4 seconds of one
core a cell.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from archsieve import BENCHMARKS, ESTIMATORS, TASKS, Session
from archsieve.estimator import fingerprint
from archsieve.estimators.zero_cost import ZeroCost
from archsieve.metrics import kendall_tau, minimum_keeping_ratio, spearman
from archsieve.run_folder import RESULTS_FILE
from archsieve.store import Store

PAGE = Path(__file__).parents[1] / "docs" / "proxies_nasbench301.md"
BENCHMARK = "nasbench301-published-proxies"
GROUPS = (  # in one pass each, the cheapest first
    ("l2_norm", "synflow", "synflow_log", "trainable_layers"),
    ("nwot", "swap", "meco"),
    ("zen",),
    ("snip", "grad_norm", "plain", "fisher"),
    ("jacov", "epe_nas"),
)
PUBLISHED_AS = {"synflow_log": "synflow", "macs": "flops"}
"""What stands for ours where names differ: theirs of synflow is the logarithm."""
CHUNK = 25


def progress(label, done, total) -> None:
    """Print a line for every chunk."""
    print(f"{time.strftime('%H:%M:%S')} {done}/{total} {label}", flush=True)


def figures(scores, truth) -> str:
    """Return tau and the minimum keeping ratio as two cells."""
    return f"{kendall_tau(scores, truth):.3f} | {minimum_keeping_ratio(scores, truth):.3f}"


def row(name, scores, table, truth) -> str:
    """Return one line of the page: ours, and where it is published, theirs."""
    published = PUBLISHED_AS.get(name, name)
    theirs = table.columns.get(published)
    beside = "- | - | -" if theirs is None else f"{spearman(scores, theirs):.4f} | {figures(theirs, truth)}"
    known = np.isfinite(scores).sum()
    return f"| `{name}` | {figures(scores, truth)} | {spearman(scores, truth):.3f} | {beside} | {known} |"


def write(rows, left_out, count) -> None:
    """Write the page."""
    lines = [
        "# Our proxies on NAS-Bench-301's cells, beside the published scores",
        "",
        "Made by `python studies/proxies_nasbench301.py --out runs/nasbench301`.",
        f"The {count} DARTS cells whose scores NAS-Bench-Suite-Zero (arXiv 2210.03230) publishes: networks of 8 cells",
        "and 32 channels without auxiliary head, CIFAR-10 (a copy in JPEG), a batch of 64, seed 0. The truth is",
        "`val_accuracy`, the published prediction of the NAS-Bench-301 surrogate (arXiv 2008.09777), which is a model",
        "and no training. tau is tau-b; MKR is the least top share of a ranking that still holds the best cell, lower",
        "is better; rho is Spearman's. Published scores are of other batches and weights; theirs of `synflow` is the",
        "logarithm, their `flops` stands beside our `macs`, and their `params` are about one per cent lower.",
        "`params` and `macs` are the baselines: they cost nothing.",
        "",
        "| proxy | tau | MKR | rho | rho with published | published tau | published MKR | scored |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        "Ordered by tau.",
    ]
    if left_out:
        names = ", ".join(f"`{name}`" for name in left_out)
        lines += ["", f"Not computed here, since each takes seconds of a core a cell: {names}."]
    PAGE.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Score what is missing, group by group, and write the page after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--proxies", help="only these, separated by commas, in one pass; may be none")
    chosen = parser.parse_args()
    groups = GROUPS if chosen.proxies is None else (tuple(filter(None, chosen.proxies.split(","))),)
    recipe = BENCHMARKS[BENCHMARK]
    table = recipe.load()
    archs, truth = list(table.archs), table.columns[recipe.truth]
    with Session(chosen.out, recipe.space, TASKS["cifar10"](), progress=progress, tables=()) as session:
        sizes = [ESTIMATORS["params"](), ESTIMATORS["macs"]()]
        for group in groups:
            members = [ZeroCost(name) for name in group]
            for start in range(0, len(archs), CHUNK) if members else ():
                session.scores(members, archs[start : start + CHUNK])
            estimators = {e.name: e for e in [*sizes, *complete(chosen.out, len(archs))]}
            found = session.scores(list(estimators.values()), archs)
            ordered = sorted(zip(estimators, found.T, strict=True), key=lambda item: -kendall_tau(item[1], truth))
            rows = [row(name, scores, table, truth) for name, scores in ordered]
            wanted = [name for names in GROUPS for name in names] + ["zico", "gradsign", "az_nas", "grasp"]
            write(rows, [name for name in wanted if name not in estimators], len(archs))
            print(f"{PAGE} written: {', '.join(estimators)}", flush=True)


def rows_by_name(folder):
    """Return the stored scores of proxies by name."""
    store = Store(folder / RESULTS_FILE, read_only=True)
    found: dict[str, list] = {}
    for stored in store.rows():
        if stored.name in {name for names in GROUPS for name in names}:
            found.setdefault(stored.name, []).append(stored)
    store.close()
    return found


def complete(folder, count):
    """Return the proxies that the folder holds for every cell."""
    found = {name: rows for name, rows in rows_by_name(folder).items() if len(rows) >= count}
    members = [ZeroCost(name) for name in found]
    return [m for m in members if {r.key.estimator for r in found[m.name]} == {fingerprint(m)}]


if __name__ == "__main__":
    main()
